import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { stringify } from 'yaml'
import type { KeyPair } from './auth/index.ts'

/** How one client reaches the server and says who it is. */
export interface KubeconfigContents {
  /** `https://127.0.0.1:port`. */
  readonly server: string
  readonly caPem: string
  readonly user: string
  readonly credential:
    | { readonly kind: 'certificate'; readonly pair: KeyPair }
    /** A file that is kept fresh and read again and again by Kubernetes' client library. */
    | { readonly kind: 'token-file'; readonly path: string }
}

const CLUSTER = 'ambit'

/** A kubeconfig with everything in it, so that it can be copied. */
function kubeconfigText({ server, caPem, user, credential }: KubeconfigContents): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const identity =
    credential.kind === 'token-file'
      ? { 'auth-provider': { name: 'tokenFile', config: { tokenFile: credential.path } } }
      : {
          'client-certificate-data': base64(credential.pair.certificatePem),
          'client-key-data': base64(credential.pair.privateKeyPem),
        }
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: CLUSTER, cluster: { server, 'certificate-authority-data': base64(caPem) } }],
      users: [{ name: user, user: identity }],
      contexts: [{ name: CLUSTER, context: { cluster: CLUSTER, user } }],
      'current-context': CLUSTER,
    },
    { lineWidth: 0 },
  )
}

/** Writes it whole and readable by its owner only: it holds a key. */
export function writeKubeconfig(path: string, contents: KubeconfigContents): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const unfinished = `${path}.${process.pid}.unfinished`
  writeFileSync(unfinished, kubeconfigText(contents), { mode: 0o600 })
  renameSync(unfinished, path)
}
