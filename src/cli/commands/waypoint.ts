import type { Command } from 'commander'
import { systemClock } from '#shared/clock'
import { duration } from '#shared/config'
import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import type { ApiResource, KubeConnection } from '#shared/kube-client'
import {
  GATEWAY,
  readWaypoint,
  USE_WAYPOINT_LABEL,
  untilObject,
  WAYPOINT_CLASSES,
  WAYPOINT_TRAFFIC,
  type Waypoint,
  type WaypointClass,
  type WaypointTraffic,
  waypointGateway,
  waypointLook,
} from '../cluster/index.ts'
import { choice, ofKind, withNamespaceFlag, withOutputFlag, withTargetFlags } from '../flags/index.ts'
import { FIELD_MANAGER, type Session } from '../kubectl/index.ts'
import { type DocumentFormat, documentText, table } from '../print/index.ts'
import { type ClusterFlags, type Installation, withSession } from './options.ts'

interface WaypointFlags extends ClusterFlags {
  readonly name: string
  readonly for?: WaypointTraffic
  readonly class: WaypointClass
  readonly revision?: string
  readonly serviceAccount?: string
  readonly enrollNamespace?: boolean
  readonly overwrite?: boolean
  readonly wait?: boolean
  readonly waypointTimeout: number
  readonly all?: boolean
  readonly allNamespaces?: boolean
  readonly output?: DocumentFormat
}

const NAMESPACE: ApiResource = { apiVersion: 'v1', kind: 'Namespace', resource: 'namespaces', namespaced: false }
const DEFAULT_NAME = 'waypoint'
const DATAPLANE_LABEL = 'istio.io/dataplane-mode'

export function addWaypoint(program: Command, installation: Installation): void {
  const group = program.command('waypoint').description('ask for waypoints, and see how they do')
  const run =
    (work: (session: Session, flags: WaypointFlags, names: readonly string[]) => Promise<void>) =>
    (names: readonly string[], flags: WaypointFlags): Promise<void> =>
      withSession(installation, flags, (session) => work(session, flags, names))
  withOrder(withTargetFlags(withNamespaceFlag(group.command('generate'))))
    .description('show the Gateway that "apply" would make')
    .action((flags: WaypointFlags) => generate(flags, installation))
  withWait(withOrder(withTargetFlags(withNamespaceFlag(group.command('apply')))))
    .description('make, or change, a waypoint')
    .option('--enroll-namespace', 'label the namespace, so that its services use the waypoint')
    .option('--overwrite', 'also when the namespace uses another waypoint')
    .action((flags: WaypointFlags) => run(apply)([], flags))
  withWait(withOutputFlag(withTargetFlags(withNamespaceFlag(group.command('status')))))
    .description('show whether waypoints serve, and why not')
    .argument('[name]')
    .option('-A, --all-namespaces', 'of every namespace')
    .action((name: string | undefined, flags: WaypointFlags) => run(status)(name === undefined ? [] : [name], flags))
  withOutputFlag(withTargetFlags(withNamespaceFlag(group.command('list'))))
    .description('list waypoints')
    .option('-A, --all-namespaces', 'of every namespace')
    .action((flags: WaypointFlags) => run(list)([], flags))
  withTargetFlags(withNamespaceFlag(group.command('delete')))
    .description('delete waypoints')
    .argument('[names...]')
    .option('--all', 'all of the namespace')
    .action((names: readonly string[], flags: WaypointFlags) => run(remove)(names, flags))
}

function withOrder(command: Command): Command {
  return command
    .option('--name <name>', 'name of the waypoint', DEFAULT_NAME)
    .addOption(
      choice('--for <traffic>', 'which traffic it is for (default: service; of an account workload)', WAYPOINT_TRAFFIC),
    )
    .addOption(choice('--class <class>', 'who runs it', WAYPOINT_CLASSES).default(WAYPOINT_CLASSES[0]))
    .option('-r, --revision <name>', 'revision of the control plane that takes it up')
    .option('--service-account <name>', 'serve workloads that run as this account, and no others')
}

function withWait(command: Command): Command {
  return command
    .option('-w, --wait', 'until it serves')
    .option('--waypoint-timeout <time>', 'longest wait', ofKind(duration), 90_000)
}

/** Needs no cluster unless the namespace is to come from a kubeconfig. */
async function generate(flags: WaypointFlags, installation: Installation): Promise<void> {
  const { namespace } = flags
  const show = (known: string): void =>
    void installation.terminal.stdout.write(documentText('yaml', waypointGateway(orderOf(flags, known))))
  if (namespace !== undefined) return show(namespace)
  await withSession(installation, flags, async (session) => show(session.namespace))
}

async function apply(session: Session, flags: WaypointFlags): Promise<void> {
  const { connection, namespace } = session
  const labels = await namespaceLabels(connection, namespace)
  const now = labels[USE_WAYPOINT_LABEL]
  const isEnrolled = flags.enrollNamespace === true
  if (isEnrolled && now !== undefined && now !== flags.name && flags.overwrite !== true)
    throw new MeshError(
      'COMMAND_FAILED',
      `namespace ${namespace} uses waypoint ${String(now)}; --overwrite replaces it`,
    )
  await connection.apply(GATEWAY, waypointGateway(orderOf(flags, namespace)), {
    fieldManager: FIELD_MANAGER,
    force: true,
  })
  session.say(`waypoint ${namespace}/${flags.name} applied`)
  if (isEnrolled) {
    const patch = { metadata: { labels: { [USE_WAYPOINT_LABEL]: flags.name } } }
    await connection.mergePatch(NAMESPACE, { namespace: '', name: namespace }, patch)
    session.say(`namespace ${namespace} labeled with "${USE_WAYPOINT_LABEL}: ${flags.name}"`)
    if (labels[DATAPLANE_LABEL] !== 'ambient')
      session.terminal.stderr.write(
        `ambit: namespace ${namespace} is not in the mesh; label it ${DATAPLANE_LABEL}=ambient for the waypoint to matter\n`,
      )
  }
  if (flags.wait === true) await waitFor(session, flags.name, flags.waypointTimeout)
}

async function status(session: Session, flags: WaypointFlags, names: readonly string[]): Promise<void> {
  const chosen = await chosenWaypoints(session, flags, names)
  if (flags.wait === true && flags.allNamespaces !== true)
    for (const { name } of chosen) await waitFor(session, name, flags.waypointTimeout)
  const now = flags.wait === true ? await chosenWaypoints(session, flags, names) : chosen
  if (now.some(({ programmed }) => programmed.status !== 'True')) session.terminal.exitCode = 1
  if (flags.output !== undefined) return void session.terminal.stdout.write(documentText(flags.output, now))
  const rows = now.map(({ namespace, name, programmed: { status: word, type, reason, message } }) => [
    namespace,
    name,
    word,
    type,
    reason,
    message,
  ])
  session.terminal.stdout.write(table(['NAMESPACE', 'NAME', 'STATUS', 'TYPE', 'REASON', 'MESSAGE'], rows))
}

async function list(session: Session, flags: WaypointFlags): Promise<void> {
  const found = await waypointsOf(session, flags)
  if (flags.output !== undefined) return void session.terminal.stdout.write(documentText(flags.output, found))
  if (found.length === 0) return session.say('No waypoints found.')
  const isAll = flags.allNamespaces === true
  const rows = found.map(({ namespace, name, revision, traffic, programmed }) => [
    ...(isAll ? [namespace] : []),
    name,
    revision,
    traffic,
    programmed.status,
  ])
  const head = [...(isAll ? ['NAMESPACE'] : []), 'NAME', 'REVISION', 'TRAFFIC TYPE', 'PROGRAMMED']
  session.terminal.stdout.write(table(head, rows))
}

async function remove(session: Session, flags: WaypointFlags, names: readonly string[]): Promise<void> {
  if (flags.all === true && names.length > 0)
    throw new MeshError('COMMAND_FAILED', 'names do not go together with --all')
  const { connection, namespace } = session
  const chosen =
    flags.all === true
      ? await waypointsOf(session, flags)
      : await chosenWaypoints(session, flags, names.length > 0 ? names : [DEFAULT_NAME])
  for (const { name } of chosen) {
    await connection.delete(GATEWAY, { namespace, name })
    session.say(`waypoint ${namespace}/${name} deleted`)
  }
  const now = (await namespaceLabels(connection, namespace))[USE_WAYPOINT_LABEL]
  if (chosen.some(({ name }) => name === now))
    session.terminal.stderr.write(
      `ambit: namespace ${namespace} still asks for waypoint ${String(now)}; take its label ${USE_WAYPOINT_LABEL} away\n`,
    )
}

/** All, or those named. @throws MeshError `NOT_FOUND` for a name that is no waypoint */
async function chosenWaypoints(
  session: Session,
  flags: WaypointFlags,
  names: readonly string[],
): Promise<readonly Waypoint[]> {
  const all = await waypointsOf(session, flags)
  const missing = names.find((name) => !all.some((each) => each.name === name))
  if (missing !== undefined)
    throw new MeshError(
      'NOT_FOUND',
      `there is no waypoint ${missing} in namespace ${session.namespace}; "ambit waypoint list -A" lists all`,
    )
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name))
}

async function waypointsOf(
  { connection, namespace }: Session,
  { allNamespaces }: WaypointFlags,
): Promise<readonly Waypoint[]> {
  const gateways = await connection.list(GATEWAY, { namespace: allNamespaces === true ? '' : namespace })
  return gateways.flatMap((gateway) => readWaypoint(gateway) ?? [])
}

function waitFor({ connection, namespace }: Session, name: string, timeoutMs: number): Promise<void> {
  return untilObject(connection, GATEWAY, { namespace, name }, waypointLook, { clock: systemClock, timeoutMs })
}

/** @throws MeshError `NOT_FOUND` */
async function namespaceLabels(
  connection: Pick<KubeConnection, 'get'>,
  namespace: string,
): Promise<Readonly<Record<string, unknown>>> {
  const found = await connection.get(NAMESPACE, { namespace: '', name: namespace })
  if (found === undefined)
    throw new MeshError(
      'NOT_FOUND',
      `there is no namespace ${namespace}; make it with "ambit kubectl create namespace ${namespace}"`,
    )
  const { labels } = isRecord(found.metadata) ? found.metadata : {}
  return isRecord(labels) ? labels : {}
}

function orderOf(flags: WaypointFlags, namespace: string): Parameters<typeof waypointGateway>[0] {
  const { name, for: traffic, class: className, revision, serviceAccount } = flags
  return { name, namespace, className, traffic, revision, serviceAccount }
}
