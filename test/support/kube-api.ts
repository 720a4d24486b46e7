import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '#shared/clock'
import { parseIp } from '#shared/net'
import {
  type ApiServer,
  apiServerDefaults,
  type PodBackend,
  serverParts,
  startApiServer,
  writeKubeconfig,
} from '../../src/local/apiserver/index.ts'
import { openStore, type Store, storeDefaults } from '../../src/local/store/index.ts'
import { quietLogger } from './quiet-logger.ts'

export interface TestApi {
  readonly server: ApiServer
  readonly store: Store
  readonly dir: string
  readonly kubeconfig: string
  close(): Promise<void>
}

/** A server on loopback, on a free port unless one is given, in memory unless a folder is. */
export async function startTestApi(
  options: {
    readonly dir?: string
    readonly clock?: Clock
    readonly port?: number
    readonly maxWatches?: number
    readonly historyEvents?: number
    /** Where exec, logs and port-forward end; without it they are answered with 503. */
    readonly backend?: PodBackend
  } = {},
): Promise<TestApi> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'ambit-kube-'))
  const clock = options.clock ?? systemClock
  const kept = options.dir === undefined ? undefined : dir
  const store = await openStore(
    {
      ...storeDefaults,
      historyEvents: options.historyEvents ?? storeDefaults.historyEvents,
      sync: 'never',
      dir: kept === undefined ? undefined : join(dir, 'store'),
    },
    clock,
    quietLogger,
  )
  const host = parseIp('127.0.0.1')
  if (host === undefined) throw new Error('no loopback')
  const maxWatches = options.maxWatches ?? apiServerDefaults.maxWatches
  const settings = {
    ...apiServerDefaults,
    maxWatches,
    host,
    port: options.port ?? 0,
    pkiDir: kept === undefined ? undefined : join(dir, 'pki'),
  }
  const server = await startApiServer(settings, store, serverParts, options.backend, clock, quietLogger)
  const kubeconfig = join(dir, 'kubeconfig')
  writeKubeconfig(kubeconfig, {
    server: server.url,
    caPem: server.caPem,
    user: 'admin',
    credential: { kind: 'certificate', pair: server.issueClient('admin', 'system:masters') },
  })
  return {
    server,
    store,
    dir,
    kubeconfig,
    close: async () => {
      await server.close()
      await store.close()
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true })
    },
  }
}

export interface KubectlResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the real kubectl against a test server. */
export function kubectl(
  api: Pick<TestApi, 'kubeconfig' | 'dir'>,
  args: readonly string[],
  input = '',
  more: Readonly<Record<string, string>> = {},
): Promise<KubectlResult> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env.PATH, HOME: api.dir, KUBECONFIG: api.kubeconfig, ...more }
    const child = spawn('kubectl', args, { env, stdio: 'pipe' })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? -1, ...output }))
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

/**
 * Whether tests with kubectl can run; where they must, its absence is a failure.
 *
 * @param since minor version of the first kubectl that has what they use; older ones are tested by the kubectl matrix
 */
export function hasKubectl(since = 0): boolean {
  const minor = kubectlMinor()
  if (minor === 0 && process.env.MESH_E2E === 'require') throw new Error('kubectl is needed and not there')
  if (minor === 0) console.warn('SKIPPED: kubectl is not installed')
  else if (minor < since) console.warn(`SKIPPED: kubectl is 1.${minor}, and these tests use what 1.${since} has`)
  return minor > 0 && minor >= since
}

/** 32 for 1.32; 0 when there is none. */
export function kubectlMinor(): number {
  const { stdout } = spawnSync('kubectl', ['version', '--client', '-o', 'json'], { encoding: 'utf8' })
  return Number(/"minor":\s*"(\d+)/.exec(stdout ?? '')?.[1] ?? 0)
}
