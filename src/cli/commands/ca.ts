import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { systemClock } from '#shared/clock'
import { duration } from '#shared/config'
import { MeshError } from '#shared/errors'
import { type ApiResource, isStatus } from '#shared/kube-client'
import { ControlClient } from '../client/index.ts'
import { MESH_NAMESPACE, meshPods, podPage } from '../cluster/index.ts'
import { ofKind, withOutputFlag, withTargetFlags } from '../flags/index.ts'
import { type CaView, caText, type DocumentFormat, documentText, readCaPages } from '../print/index.ts'
import { type Target, withTarget } from '../target/index.ts'
import { type ClusterFlags, type Installation, targetOf } from './options.ts'

interface CaFlags extends ClusterFlags {
  readonly istioNamespace: string
  readonly output?: DocumentFormat
  readonly wait?: boolean
  readonly timeout: number
}

const PAGE = '/debug/ca'
const MONITORING_PORT = 15_014
const SECRETS: ApiResource = { apiVersion: 'v1', kind: 'Secret', resource: 'secrets', namespaced: true }
const CA_SECRET = 'istio-ca-secret'
/** What the control plane looks for. */
const ROTATE_ANNOTATION = 'ambit.dev/rotate-ca'
const POLL_MS = 500
const DEFAULT_TIMEOUT_MS = 600_000

export function addCa(program: Command, installation: Installation): void {
  const group = program.command('ca').description('the authority behind every identity')
  withOutputFlag(withTargetFlags(group.command('status')))
    .description('show what signs, what is trusted, and how far a rotation is')
    .option('-i, --istio-namespace <name>', 'where the control plane of a cluster is', MESH_NAMESPACE)
    .action(async (flags: CaFlags) => {
      const view = await askReplicas(targetOf(installation, flags), flags.istioNamespace)
      const { stdout } = installation.terminal
      stdout.write(flags.output === undefined ? caText(view) : documentText(flags.output, view))
    })
  withTargetFlags(group.command('rotate'))
    .description('replace a self-signed CA, its root and key, without a failed connection')
    .option('-i, --istio-namespace <name>', 'where the control plane of a cluster is', MESH_NAMESPACE)
    .option('-w, --wait', 'until the old root is gone')
    .option('--timeout <time>', 'longest wait', ofKind(duration), DEFAULT_TIMEOUT_MS)
    .action((flags: CaFlags) => rotate(flags, installation))
}

async function rotate(flags: CaFlags, installation: Installation): Promise<void> {
  const target = targetOf(installation, flags)
  const { istioNamespace: namespace } = flags
  const say = (text: string): void => void installation.terminal.stdout.write(`${text}\n`)
  const before = await askReplicas(target, namespace)
  if (before.origin === 'plugged-in')
    throw new MeshError(
      'COMMAND_FAILED',
      `the CA is plugged in: put another one into the Secret ${namespace}/cacerts, or the folder that it came from`,
    )
  if (before.phase !== 'steady')
    throw new MeshError('COMMAND_FAILED', `the CA is being replaced already (${before.phase}); see "ambit ca status"`)
  const request = `${new Date(systemClock.nowMs()).toISOString()}-${randomBytes(4).toString('hex')}`
  await ask(target, namespace, request)
  say('a new CA is asked for; "ambit ca status" shows how far it is')
  if (flags.wait === true) await untilReplaced(target, flags, request, say)
}

async function ask(target: Target, namespace: string, request: string): Promise<void> {
  await withTarget(target, namespace, async ({ connection }) => {
    const patch = { metadata: { annotations: { [ROTATE_ANNOTATION]: request } } }
    try {
      await connection.mergePatch(SECRETS, { namespace, name: CA_SECRET }, patch)
    } catch (cause) {
      if (!isStatus(cause, 404)) throw cause
      throw new MeshError(
        'NOT_FOUND',
        `there is no Secret ${namespace}/${CA_SECRET}; is istiod-lite the control plane?`,
      )
    }
  })
}

/** Tells each phase once. */
async function untilReplaced(
  target: Target,
  { istioNamespace, timeout }: CaFlags,
  request: string,
  say: (text: string) => void,
): Promise<void> {
  const endMs = systemClock.monotonicMs() + timeout
  let told = ''
  for (;;) {
    const view = await askReplicas(target, istioNamespace)
    const isHandled = view.handledRequest === request
    if (isHandled && view.phase !== told) say(`phase ${view.phase}`)
    if (isHandled && view.phase === 'steady') return
    told = isHandled ? view.phase : told
    if (systemClock.monotonicMs() > endMs) {
      const reasons = view.waitingFor.join('; ') || 'the control plane has not taken it up'
      throw new MeshError('COMMAND_FAILED', `not replaced in ${timeout / 1000} s, it goes on: ${reasons}`)
    }
    // Nothing else keeps this process alive.
    await new Promise<void>((resolve) => systemClock.setTimer(POLL_MS, resolve, true))
  }
}

async function askReplicas(target: Target, istioNamespace: string): Promise<CaView> {
  const { stateDir } = target
  if (stateDir !== undefined) return readCaPages([await new ControlClient(stateDir).istiodPage(PAGE)])
  return withTarget(target, istioNamespace, async ({ connection, namespace }) => {
    const pods = await meshPods(connection, namespace, 'app=istiod')
    if (pods.length === 0)
      throw new MeshError('NOT_FOUND', `no pod with the label app=istiod runs in ${namespace}; see "ambit check"`)
    return readCaPages(await Promise.all(pods.map(({ id }) => podPage(connection, id, MONITORING_PORT, PAGE))))
  })
}
