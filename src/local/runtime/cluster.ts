import { randomUUID } from 'node:crypto'
import type { Clock, Timer } from '#shared/clock'
import type { StatusProblem } from '#shared/control'
import { type Namespace, objectKey, type Pod, type Service } from '#shared/k8s'
import type { Closer } from '#shared/lifecycle'
import type { IpFamily } from '#shared/net'
import type { Logger } from '#shared/telemetry'
import { type ContainerPlan, type PodMachine, PodRunner, planPod } from '../kubelet/index.ts'
import { type AddressProblem, ServiceAddresses, type ServiceProxy } from '../network/index.ts'
import {
  type Desired,
  type DesiredObjects,
  graceMsOf,
  hostsFile,
  isHeadless,
  type LiveFolder,
  pickNode,
  resolvFile,
} from '../objects/index.ts'
import {
  allNamespaces,
  hasServiceAccount,
  isEnrolled,
  type LivePod,
  liveObjects,
  type SystemPod,
} from './live-objects.ts'
import { proxiedPorts } from './proxied-ports.ts'

export interface ClusterSettings {
  readonly clock: Clock
  readonly logger: Logger
  readonly families: readonly IpFamily[]
  readonly desired: DesiredObjects
  readonly live: LiveFolder
  readonly systemPods: readonly SystemPod[]
  readonly serviceProxy: ServiceProxy
  /** By node name, in order. */
  readonly machines: ReadonlyMap<string, Omit<PodMachine, 'captured'>>
  /** Resolves when the tunnel of `node` serves the pod. */
  readonly capturing: (node: string, uid: string, signal: AbortSignal) => Promise<void>
  /** What every container gets. */
  readonly containerEnv: Readonly<Record<string, string>>
  /** After every change that `pods` or `services` show. */
  readonly changed: () => void
}

/** A pod that has a place, as long as anything of it is left. */
export interface PlacedPod {
  readonly key: string
  readonly pod: Pod
  readonly node: string
  readonly runner: PodRunner
  readonly isEnrolled: boolean
  readonly isLeaving: boolean
}

/** A pod that cannot have a place, and why. */
export interface BlockedPod {
  readonly key: string
  readonly pod: Pod
  readonly reason: string
}

/** A service with what it has now. */
export interface LiveService {
  readonly service: Service
  readonly ips: readonly string[]
  readonly endpoints: readonly PlacedPod[]
}

/** Changes that come within this time are worked off together. */
const QUIET_MS = 2

interface Entry {
  readonly fingerprint: string
  readonly runner: PodRunner
  readonly node: string
  readonly createdAt: string
  /** Labels may change while it runs; the rest is in the fingerprint. */
  pod: Pod
  deletedAt: string | undefined
  enrolment: AbortController
  isEnrolled: boolean
}

/** Makes this machine show what users want: the one loop that compares, places, starts, stops and publishes. */
export class Cluster implements Closer {
  readonly #settings: ClusterSettings
  readonly #addresses: ServiceAddresses
  readonly #entries = new Map<string, Entry>()
  readonly #leaving = new Set<Promise<void>>()
  #blocked: readonly BlockedPod[] = []
  /** Changes of running pods that cannot be followed. */
  #held: readonly StatusProblem[] = []
  #addressProblems: readonly AddressProblem[] = []
  #timer: Timer | undefined
  #isClosed = false

  constructor(settings: ClusterSettings) {
    this.#settings = settings
    this.#addresses = new ServiceAddresses(settings.families)
  }

  get pods(): readonly PlacedPod[] {
    return [...this.#entries].map(([key, entry]) => ({
      key,
      pod: entry.pod,
      node: entry.node,
      runner: entry.runner,
      isEnrolled: entry.isEnrolled,
      isLeaving: entry.deletedAt !== undefined,
    }))
  }

  get blocked(): readonly BlockedPod[] {
    return this.#blocked
  }

  get services(): readonly LiveService[] {
    return this.#settings.desired.list('Service').map(({ object: service }) => ({
      service,
      ips: this.#addresses.of(objectKey(service)),
      endpoints: this.pods.filter(({ pod }) => selects(service, pod)),
    }))
  }

  /** Every pod has a place and is ready, and nothing is on its way out. */
  get isReady(): boolean {
    if (this.#blocked.length > 0) return false
    return [...this.#entries.values()].every((entry) => entry.deletedAt === undefined && entry.runner.isReady)
  }

  get problems(): readonly StatusProblem[] {
    const { desired } = this.#settings
    const addresses = this.#addressProblems.map(({ key, problem }) => ({
      where: `Service ${key}`,
      line: undefined,
      path: 'spec.clusterIPs',
      problem,
    }))
    return [...desired.problems, ...addresses, ...this.#held]
  }

  /** Something changed: compare soon. */
  notice(): void {
    if (this.#isClosed || this.#timer !== undefined) return
    this.#timer = this.#settings.clock.setTimer(QUIET_MS, () => {
      this.#timer = undefined
      this.reconcile()
    })
  }

  /** Compares what is wanted with what is there. */
  reconcile(): void {
    if (this.#isClosed) return
    const { desired, changed } = this.#settings
    const wanted = new Map(desired.list('Pod').map((each) => [objectKey(each.object), each]))
    const namespaces = allNamespaces(desired.list('Namespace').map(({ object }) => object))
    this.#addressServices()
    const held: StatusProblem[] = []
    for (const [key, entry] of this.#entries) {
      const want = wanted.get(key)
      const isChanged = want === undefined || fingerprintOf(want) !== entry.fingerprint
      const bar = isChanged && want !== undefined ? this.#barOf(want.object, namespaces) : undefined
      if (bar !== undefined)
        held.push({ where: `Pod ${key}`, line: undefined, path: '', problem: `${bar}; the old one stays` })
      if ((isChanged && bar === undefined) || entry.runner.phase === 'lost') this.#retire(key, entry)
      else if (want !== undefined) this.#follow(entry, want.object, namespaces)
    }
    this.#held = held
    const blocked: BlockedPod[] = []
    for (const [key, want] of wanted) {
      if (this.#entries.has(key)) continue
      const reason = this.#barOf(want.object, namespaces)
      if (reason === undefined) this.#place(key, want, namespaces)
      else blocked.push({ key, pod: want.object, reason })
    }
    this.#blocked = blocked
    this.#publish(namespaces)
    changed()
  }

  /** Stops every pod at once. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#settings.serviceProxy.close()
    await Promise.all([...this.#entries.values()].map((entry) => entry.runner.stop(0)))
    await Promise.all(this.#leaving)
  }

  #place(key: string, want: Desired<Pod>, namespaces: readonly Namespace[]): void {
    const { machines, containerEnv, clock, logger, capturing } = this.#settings
    const pod = want.object
    const nodes = [...machines.keys()]
    const placed = [...this.#entries.values()].map((entry) => ({ ...factsOf(entry.pod), node: entry.node }))
    const node = pod.spec.nodeName === '' ? pickNode(factsOf(pod), nodes, placed) : pod.spec.nodeName
    const machine = machines.get(node)
    if (machine === undefined) throw new TypeError(`pod ${key} was not checked before it was placed`)
    const { namespace, name } = pod.metadata
    const containers = planPod(pod, want.folder, { ...containerEnv, HOSTNAME: name })
    const enrolment = new AbortController()
    const captured = async (uid: string, signal: AbortSignal): Promise<void> => {
      while (entry.isEnrolled) {
        // Leaving the mesh while waiting ends the wait as well.
        const either = AbortSignal.any([signal, entry.enrolment.signal])
        try {
          return await capturing(node, uid, either)
        } catch (error) {
          if (signal.aborted) throw error
        }
      }
    }
    const runner = this.#runner({ namespace, name, containers, machine: { ...machine, captured } })
    const entry: Entry = {
      fingerprint: fingerprintOf(want),
      runner,
      node,
      createdAt: timeOf(clock),
      pod,
      deletedAt: undefined,
      enrolment,
      isEnrolled: isEnrolled(pod, namespaces),
    }
    this.#entries.set(key, entry)
    logger.info('pod placed', { pod: key, node, uid: runner.order.uid })
  }

  #runner(order: {
    readonly namespace: string
    readonly name: string
    readonly containers: readonly ContainerPlan[]
    readonly machine: PodMachine
  }): PodRunner {
    const { namespace, name, containers, machine } = order
    const addresses = machine.network.allocate()
    const hosts = hostsFile({ namespace, name, addresses: addresses.ips }, this.#namedServices())
    return new PodRunner(
      { namespace, name, uid: randomUUID(), containers, addresses, hosts, resolv: resolvFile(namespace) },
      machine,
      () => this.notice(),
    )
  }

  #retire(key: string, entry: Entry): void {
    if (entry.deletedAt !== undefined) return
    const { clock, logger } = this.#settings
    entry.deletedAt = timeOf(clock)
    logger.info('pod leaves', { pod: key, uid: entry.runner.order.uid })
    const gone = entry.runner.stop(graceMsOf(entry.pod)).then(
      () => {
        this.#entries.delete(key)
        this.#leaving.delete(gone)
        this.notice()
      },
      (error: unknown) => logger.error('pod could not be stopped cleanly', { pod: key, reason: String(error) }),
    )
    this.#leaving.add(gone)
  }

  /** Labels and annotations change in place, and enrolment with them. */
  #follow(entry: Entry, pod: Pod, namespaces: readonly Namespace[]): void {
    if (entry.deletedAt !== undefined) return
    entry.pod = pod
    const enrolled = isEnrolled(pod, namespaces)
    if (enrolled === entry.isEnrolled) return
    entry.isEnrolled = enrolled
    entry.enrolment.abort(new Error('enrolment changed'))
    entry.enrolment = new AbortController()
  }

  /** Why a pod cannot be placed; undefined when it can. */
  #barOf(pod: Pod, namespaces: readonly Namespace[]): string | undefined {
    const { namespace } = pod.metadata
    const { serviceAccountName, nodeName } = pod.spec
    if (!namespaces.some((each) => each.metadata.name === namespace))
      return `there is no Namespace ${namespace}; add one to the folder`
    const accounts = this.#settings.desired.list('ServiceAccount').map(({ object }) => object)
    if (!hasServiceAccount(accounts, namespace, serviceAccountName))
      return `there is no ServiceAccount ${namespace}/${serviceAccountName}; add one to the folder`
    const nodes = [...this.#settings.machines.keys()]
    if (nodeName !== '' && !nodes.includes(nodeName)) return `there is no node ${nodeName}, only ${nodes.join(', ')}`
    return undefined
  }

  #addressServices(): void {
    const services = this.#settings.desired
      .list('Service')
      .flatMap(({ object }) => (isHeadless(object) ? [] : [{ key: objectKey(object), wanted: object.spec.clusterIPs }]))
    this.#addressProblems = this.#addresses.assign(services)
  }

  #publish(namespaces: readonly Namespace[]): void {
    const { desired, families, machines, systemPods, live, serviceProxy } = this.#settings
    const list = [...this.#entries.values()]
    const objects = liveObjects({
      families,
      nodes: [...machines.keys()],
      systemPods,
      namespaces,
      serviceAccounts: desired.list('ServiceAccount').map(({ object }) => object),
      pods: list.map(livePodOf),
      services: this.services,
      others: (['EndpointSlice', 'PeerAuthentication', 'AuthorizationPolicy'] as const).flatMap((kind) =>
        desired.list(kind).map(({ object }) => object),
      ),
    })
    live.write(objects)
    serviceProxy.update(proxiedPorts(objects))
    const services = this.#namedServices()
    for (const { runner } of list) {
      const { namespace, name, addresses } = runner.order
      runner.writeHosts(hostsFile({ namespace, name, addresses: addresses.ips }, services))
    }
  }

  #namedServices(): Parameters<typeof hostsFile>[1] {
    return this.services.map(({ service, ips, endpoints }) => ({
      namespace: service.metadata.namespace,
      name: service.metadata.name,
      // A headless service is known by its pods' addresses.
      addresses:
        ips.length > 0 ? ips : endpoints.flatMap(({ runner }) => (runner.isReady ? runner.order.addresses.ips : [])),
    }))
  }
}

function livePodOf({ pod, runner, node, createdAt, deletedAt }: Entry): LivePod {
  const { phase, order, netnsPath, isReady } = runner
  const isLinked = netnsPath !== undefined && phase !== 'pending'
  return {
    pod,
    uid: order.uid,
    node,
    ips: isLinked ? order.addresses.ips : [],
    isRunning: phase === 'running',
    isReady: isReady && deletedAt === undefined,
    createdAt,
    deletedAt,
  }
}

function selects(service: Service, pod: Pod): boolean {
  const selector = Object.entries(service.spec.selector)
  return (
    selector.length > 0 &&
    service.metadata.namespace === pod.metadata.namespace &&
    selector.every(([key, value]) => pod.metadata.labels[key] === value)
  )
}

/** What cannot change while the pod lives; a change of it makes a new pod. */
function fingerprintOf({ object, folder }: Desired<Pod>): string {
  return JSON.stringify([folder, object.spec])
}

function factsOf(pod: Pod): { readonly namespace: string; readonly labels: Readonly<Record<string, string>> } {
  return { namespace: pod.metadata.namespace, labels: pod.metadata.labels }
}

function timeOf(clock: Clock): string {
  return new Date(clock.nowMs()).toISOString()
}
