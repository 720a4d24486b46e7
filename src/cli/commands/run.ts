import { constants } from 'node:os'
import type { Command } from 'commander'
import { port as portKind } from '#shared/config'
import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import type { ApiDocument, ApiObjectId, ApiResource } from '#shared/kube-client'
import {
  appOf,
  copyLog,
  endOf,
  exposingService,
  POD,
  type RunOrder,
  runPod,
  startLook,
  untilObject,
} from '../cluster/index.ts'
import { collect, ofKind, withNamespaceFlag, withTargetFlags } from '../flags/index.ts'
import type { Session } from '../kubectl/index.ts'
import { flushed } from '../print/index.ts'
import type { OpenTarget } from '../target/index.ts'
import { type ClusterFlags, type Installation, withSession } from './options.ts'

interface RunFlags extends ClusterFlags {
  readonly sa: string
  readonly name?: string
  readonly node?: string
  readonly image?: string
  readonly env: readonly string[]
  readonly label: readonly string[]
  readonly port: readonly number[]
  readonly expose?: number
  readonly detach?: boolean
}

const NAMESPACE: ApiResource = { apiVersion: 'v1', kind: 'Namespace', resource: 'namespaces', namespaced: false }
const ACCOUNT: ApiResource = { apiVersion: 'v1', kind: 'ServiceAccount', resource: 'serviceaccounts', namespaced: true }
const SERVICE: ApiResource = { apiVersion: 'v1', kind: 'Service', resource: 'services', namespaced: true }
const STOP: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
const DAY_MS = 86_400_000
/** After its log ended, the pod's status says how; it is written right then. */
const END_TIMEOUT_MS = 30_000

export function addRun(program: Command, installation: Installation): void {
  withTargetFlags(withNamespaceFlag(program.command('run')))
    .description('run a command as a pod, in this folder: ambit run -n shop --sa cart -- node server.js')
    .argument('[command...]')
    .option('--sa <name>', 'service account, which is made when it is missing', 'default')
    .option('--name <name>', "name of the pod (default: the command's, and something random)")
    .option('--node <name>', 'node to run on')
    .option('--image <image>', 'image; needed on a cluster, not on one machine')
    .option('--env <name=value>', 'environment of the command; may be repeated', collect, [])
    .option('--label <key=value>', 'label of the pod; may be repeated', collect, [])
    .option(
      '--port <port>',
      'port that the command listens on; may be repeated',
      (text, before: readonly number[]) => [...before, ofKind(portKind)(text)],
      [],
    )
    .option('--expose <port>', 'also make a service of the same name for this port', ofKind(portKind))
    .option('-d, --detach', 'come back at once, and have the command started again when it ends')
    .passThroughOptions()
    .action((command: readonly string[], flags: RunFlags) =>
      withSession(installation, flags, (session, target) => run(session, target, command, flags)),
    )
}

async function run(session: Session, target: OpenTarget, command: readonly string[], flags: RunFlags): Promise<void> {
  const order = orderOf(session, target, command, flags)
  await prepare(session, order)
  const isDetached = flags.detach === true
  const made: { readonly resource: ApiResource; readonly id: ApiObjectId }[] = []
  // From here on a signal takes away what there is.
  const ending = new AbortController()
  const stop = isDetached
    ? () => {}
    : session.terminal.onSignal(STOP, (signal) => ending.abort(new Interrupted(signal)))
  try {
    const pod = await session.connection.create(POD, order.namespace, runPod(order))
    const id = idOf(pod)
    made.push({ resource: POD, id })
    if (flags.expose !== undefined) {
      await session.connection.create(SERVICE, order.namespace, exposingService(order, flags.expose))
      made.push({ resource: SERVICE, id: { namespace: order.namespace, name: appOf(order) } })
    }
    if (isDetached) {
      session.say(`pod/${id.name} created in namespace ${id.namespace}`)
      if (flags.expose !== undefined) session.say(`service/${appOf(order)} created`)
      session.terminal.stderr.write(`Its log: ambit logs -n ${id.namespace} ${id.name} -f\n`)
      made.length = 0
      return
    }
    session.terminal.exitCode = await follow(session, id, ending.signal)
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error
    session.terminal.exitCode = 128 + constants.signals[error.signal]
  } finally {
    for (const { resource, id } of made.toReversed()) await session.connection.delete(resource, id)
    stop()
  }
}

/** What every pod waits for at first, which is nothing to tell. */
const ORDINARY: ReadonlySet<string> = new Set(['it has not been started', 'ContainerCreating', 'PodInitializing'])

class Interrupted extends Error {
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`)
    this.signal = signal
  }
}

/** Writes the log out until the command ends. @returns its status */
async function follow(session: Session, pod: ApiObjectId, signal: AbortSignal): Promise<number> {
  const { connection, clock, terminal } = session
  let told = ''
  const look: typeof startLook = (object) => {
    const seen = startLook(object)
    if (seen.kind === 'wait' && seen.reason !== told && !ORDINARY.has(seen.reason)) {
      terminal.stderr.write(`ambit: ${seen.reason}\n`)
      told = seen.reason
    }
    return seen
  }
  await untilObject(connection, POD, pod, look, { clock, timeoutMs: DAY_MS, signal })
  const order = { container: '', follow: true, previous: false, timestamps: false }
  try {
    await copyLog(connection, { pod, ...order, tailLines: undefined, sinceSeconds: undefined }, terminal, signal)
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
  let code = 0
  await untilObject(
    connection,
    POD,
    pod,
    (object) => {
      const end = endOf(object)
      code = end ?? 0
      return end === undefined ? { kind: 'wait', reason: 'its log ended, and its command has not' } : { kind: 'done' }
    },
    { clock, timeoutMs: END_TIMEOUT_MS, signal },
  )
  await flushed(terminal.stdout)
  return code
}

/** What the pod needs to be there. @throws MeshError with what to do */
async function prepare({ connection, terminal }: Session, { namespace, serviceAccount }: RunOrder): Promise<void> {
  if ((await connection.get(NAMESPACE, { namespace: '', name: namespace })) === undefined)
    throw new MeshError(
      'NOT_FOUND',
      `there is no namespace ${namespace}; make it with "ambit kubectl create namespace ${namespace}"`,
    )
  if (serviceAccount === 'default') return
  if ((await connection.get(ACCOUNT, { namespace, name: serviceAccount })) !== undefined) return
  await connection.create(ACCOUNT, namespace, { metadata: { name: serviceAccount, namespace } })
  terminal.stderr.write(`ambit: service account ${namespace}/${serviceAccount} was missing and is made\n`)
}

function orderOf(session: Session, target: OpenTarget, command: readonly string[], flags: RunFlags): RunOrder {
  const { image } = flags
  if (target.stateDir === undefined && image === undefined)
    throw new MeshError(
      'COMMAND_FAILED',
      `${target.from} is a cluster, where a command comes from an image; name one with --image`,
    )
  if (command.length === 0 && image === undefined)
    throw new MeshError('COMMAND_FAILED', 'say what to run: ambit run -- COMMAND…')
  return {
    namespace: session.namespace,
    name: flags.name,
    serviceAccount: flags.sa,
    node: flags.node,
    labels: pairs(flags.label),
    env: pairs(flags.env),
    ports: [...new Set([...flags.port, ...(flags.expose === undefined ? [] : [flags.expose])])],
    command,
    place:
      target.stateDir === undefined || image !== undefined
        ? { kind: 'image', image: image ?? '' }
        : { kind: 'folder', folder: session.terminal.cwd },
    isKept: flags.detach === true,
  }
}

/** @throws MeshError for what is no NAME=VALUE */
function pairs(given: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new MeshError('COMMAND_FAILED', `${text} is not of the form NAME=VALUE`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

function idOf(pod: ApiDocument): ApiObjectId {
  const { name, namespace } = isRecord(pod.metadata) ? pod.metadata : {}
  return { name: String(name), namespace: String(namespace) }
}
