import type {
  ContainerStatus,
  MeshState,
  MeshStatus,
  NodeStatus,
  PodStatus,
  ServiceStatus,
  StatusProblem,
} from '#shared/control'
import { AMBIT_VERSION, isSettled } from '#shared/control'
import type { Pod } from '#shared/k8s'
import { spiffeId } from '#shared/model'
import { ipFamily } from '#shared/net'
import type { MachinePids } from './host/index.ts'
import type { PodContainer, PodRunner } from './kubelet/index.ts'
import type { Node } from './network/index.ts'
import type { MeshProgram } from './programs/index.ts'
import type { BlockedPod, Cluster, PlacedPod } from './runtime/index.ts'
import type { LiveServiceRecord } from './services/index.ts'

/** Everything that a status is made from. */
export interface StatusInputs {
  readonly state: MeshState
  readonly startedAt: string
  readonly stateDir: string
  readonly pids: MachinePids
  readonly nodes: readonly Node[]
  readonly programs: readonly MeshProgram[]
  readonly cluster: Cluster | undefined
  readonly services: readonly LiveServiceRecord[]
  readonly problems: readonly StatusProblem[]
  /** Uids of the pods that some tunnel serves now. */
  readonly captured: ReadonlySet<string>
}

const TRUST_DOMAIN = 'cluster.local'

export function meshStatus(inputs: StatusInputs): MeshStatus {
  const { startedAt, stateDir, pids, nodes, programs, cluster, captured } = inputs
  const placed = (cluster?.pods ?? []).map((pod) => placedStatus(pod, captured, pids))
  const pods = [...placed, ...(cluster?.blocked ?? []).map(blockedStatus)].sort(byName)
  // Whether a pod is captured is asked of the tunnels right now, so only here the last word can be said.
  const state = inputs.state === 'ready' && !pods.every(isSettled) ? 'degraded' : inputs.state
  return {
    version: AMBIT_VERSION,
    state,
    ready: state === 'ready',
    startedAt,
    stateDir,
    pid: pids.self,
    netns: `/proc/${pids.self}/ns/net`,
    nodes: nodes.map(nodeStatus),
    programs: programs.map((program) => program.status),
    pods,
    services: inputs.services.map(serviceStatus),
    problems: inputs.problems,
  }
}

function nodeStatus({ name, addresses, podCidrs, holder }: Node): NodeStatus {
  return { name, addresses: addresses.map(({ ip }) => ip), podCidrs, netns: holder.netnsPath }
}

function placedStatus(placed: PlacedPod, captured: ReadonlySet<string>, pids: MachinePids): PodStatus {
  const { pod, node, runner, isEnrolled, isLeaving } = placed
  const all = [...runner.containers, ...runner.initContainers]
  const containers = all.map((container) => containerStatus(container, runner, pids))
  const isCaptured = captured.has(runner.order.uid)
  return {
    ...nameOf(pod),
    uid: runner.order.uid,
    node,
    addresses: runner.order.addresses.ips,
    identity: identityOf(pod),
    enrolled: isEnrolled,
    captured: isCaptured,
    ready: runner.isReady && !isLeaving && isCaptured === isEnrolled,
    phase: phaseOf(placed),
    reason: reasonFor(placed, isCaptured, containers),
    pid: containers[0]?.pid,
    restarts: containers.reduce((sum, container) => sum + container.restarts, 0),
    netns: runner.netnsPath ?? '',
    containers,
  }
}

function blockedStatus({ namespace, name, serviceAccount, reason }: BlockedPod): PodStatus {
  return {
    namespace,
    name,
    uid: '',
    node: '',
    addresses: [],
    identity: spiffeId({ trustDomain: TRUST_DOMAIN, namespace, serviceAccount }),
    enrolled: false,
    captured: false,
    ready: false,
    phase: 'pending',
    reason,
    pid: undefined,
    restarts: 0,
    netns: '',
    containers: [],
  }
}

function containerStatus(container: PodContainer, runner: PodRunner, pids: MachinePids): ContainerStatus {
  const { name, pid, isReady, restarts, reason } = container
  const machinePid = pid === undefined ? undefined : pids.of(pid)
  return { name, pid: machinePid, ready: isReady, restarts, reason, log: runner.logFile(container) }
}

function phaseOf({ runner, isLeaving }: PlacedPod): PodStatus['phase'] {
  if (isLeaving || runner.phase === 'stopping' || runner.phase === 'stopped') return 'stopping'
  if (runner.phase === 'ended') return runner.end?.phase === 'Succeeded' ? 'succeeded' : 'failed'
  if (runner.phase === 'capturing') return 'capturing'
  const all = [...runner.initContainers, ...runner.containers]
  if (all.some(({ state, last }) => state.kind === 'waiting' && last !== undefined)) return 'backing-off'
  if (runner.phase === 'initializing') return 'initializing'
  if (runner.phase !== 'running') return 'pending'
  return runner.isReady ? 'running' : 'starting'
}

function reasonFor(
  { runner, isEnrolled }: PlacedPod,
  isCaptured: boolean,
  containers: readonly ContainerStatus[],
): string {
  if (runner.reason !== '') return runner.reason
  if (runner.phase === 'ended') return runner.end?.message || endReason(runner)
  const awaited = runner.phase === 'initializing' ? initAwaited(runner) : containers.find(({ ready }) => !ready)
  if (awaited !== undefined && !runner.isReady) return `${awaited.name}: ${awaited.reason}`
  if (isEnrolled && !isCaptured) return 'the node does not capture its traffic'
  return !isEnrolled && isCaptured ? 'the node still captures its traffic' : ''
}

/** The init container that the others wait for. */
function initAwaited({ initContainers }: PodRunner): PodContainer | undefined {
  return initContainers.find((each) => (each.role === 'sidecar' ? !each.isStarted : !each.hasSucceeded))
}

/** The container that has failed, and how. */
function endReason({ initContainers, containers }: PodRunner): string {
  const failed = [...initContainers.filter(({ role }) => role === 'init'), ...containers].find(
    ({ hasSucceeded, state }) => state.kind === 'terminated' && !hasSucceeded,
  )
  return failed === undefined ? '' : `${failed.name}: ${failed.reason}`
}

function serviceStatus({ service, endpoints }: LiveServiceRecord): ServiceStatus {
  const { namespace, name, clusterIps, externalName, ports } = service
  // A pod with addresses of both families is an endpoint of each.
  const [ipv4, ipv6] = ([4, 6] as const).map((family) =>
    endpoints.filter(({ ips }) => ips.some((ip) => ipFamily(ip) === family)),
  )
  const counted = ipv4?.length ? ipv4 : (ipv6 ?? [])
  return {
    namespace,
    name,
    addresses: externalName === '' ? clusterIps : [externalName],
    ports: ports.map(({ port, protocol }) => `${port}/${protocol}`),
    readyEndpoints: counted.filter(({ isReady }) => isReady).length,
    endpoints: counted.length,
  }
}

function nameOf(pod: Pod): { readonly namespace: string; readonly name: string } {
  return { namespace: pod.metadata.namespace, name: pod.metadata.name }
}

function identityOf(pod: Pod): string {
  return spiffeId({
    trustDomain: TRUST_DOMAIN,
    namespace: pod.metadata.namespace,
    serviceAccount: pod.spec.serviceAccountName,
  })
}

function byName(a: PodStatus, b: PodStatus): number {
  return a.namespace === b.namespace ? (a.name < b.name ? -1 : 1) : a.namespace < b.namespace ? -1 : 1
}
