import { readFileSync } from 'node:fs'
import type { VersionFacts } from './admin/index.ts'

/** What runs, in the words that Istio's tools look for. */
export function versionFacts(istioVersion: string): VersionFacts {
  return {
    version: packageVersion(),
    gitRevision: 'unknown',
    rustVersion: `none, Node ${process.version}`,
    buildProfile: 'release',
    buildStatus: 'unknown',
    istioVersion,
    cryptoProvider: `openssl ${process.versions.openssl}`,
  }
}

/** The bundle lies as deep below the package as the sources do. */
function packageVersion(): string {
  try {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    return String(version)
  } catch {
    return 'unknown'
  }
}
