import type { Command } from 'commander'
import { AMBIT_VERSION } from '#shared/control'
import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import { ControlClient } from '../client/index.ts'
import { withOutputFlag, withTargetFlags } from '../flags/index.ts'
import { type DocumentFormat, documentText } from '../print/index.ts'
import { type Target, withTarget } from '../target/index.ts'
import { type ClusterFlags, type Installation, targetOf } from './options.ts'

interface VersionFlags extends ClusterFlags {
  readonly output?: DocumentFormat
  readonly client?: boolean
}

/** What runs where; undefined: there is none, or it does not answer. */
interface Versions {
  readonly client: string
  readonly node: string
  readonly mesh: string | undefined
  readonly kubernetes: string | undefined
}

export function addVersion(program: Command, installation: Installation): void {
  withOutputFlag(withTargetFlags(program.command('version')))
    .description('show the version of this command, and of the mesh and the API server when they are there')
    .option('--client', 'only of this command')
    .action(async (flags: VersionFlags) => {
      const versions = await versionsOf(flags, installation)
      const { output } = flags
      const { stdout } = installation.terminal
      if (output !== undefined) return void stdout.write(documentText(output, versions))
      stdout.write(`ambit ${versions.client} (Node ${versions.node})\n`)
      if (versions.mesh !== undefined) stdout.write(`mesh ${versions.mesh}\n`)
      if (versions.kubernetes !== undefined) stdout.write(`Kubernetes API ${versions.kubernetes}\n`)
    })
}

async function versionsOf(flags: VersionFlags, installation: Installation): Promise<Versions> {
  const client = { client: AMBIT_VERSION, node: process.versions.node, mesh: undefined, kubernetes: undefined }
  const target = flags.client === true ? undefined : found(flags, installation)
  if (target === undefined) return client
  const [mesh, kubernetes] = await Promise.all([meshVersion(target), kubernetesVersion(target)])
  return { ...client, mesh, kubernetes }
}

/** Without a cluster one still wants to know which version this is; a cluster that was named must be there. */
function found(flags: VersionFlags, installation: Installation): Target | undefined {
  try {
    return targetOf(installation, flags)
  } catch (error) {
    const isNamed = flags.state !== undefined || flags.kubeconfig !== undefined || flags.context !== undefined
    if (isNamed || !(error instanceof MeshError) || error.code !== 'NOT_FOUND') throw error
    return undefined
  }
}

async function meshVersion({ stateDir }: Target): Promise<string | undefined> {
  return stateDir === undefined ? undefined : (await new ControlClient(stateDir).status()).version
}

function kubernetesVersion(target: Target): Promise<string | undefined> {
  return withTarget(target, undefined, async ({ connection }) => {
    const answer = await connection.json({ method: 'GET', path: '/version' })
    return isRecord(answer) && typeof answer.gitVersion === 'string' ? answer.gitVersion : undefined
  })
}
