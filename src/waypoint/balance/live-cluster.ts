import type { Clock } from '#shared/clock'
import type { TrafficPolicy } from '#shared/l7'
import type { Endpoint as MeshEndpoint } from '#shared/mesh-state'
import type { Service, Workload } from '#shared/model'
import type { WaypointView } from '../state/index.ts'
import { dumpOf } from './dump.ts'
import { type Member, membersOf } from './membership.ts'
import { OutlierWatch } from './outliers.ts'
import { Outsiders } from './passthrough.ts'
import { groupBy, placementOf } from './placement.ts'
import { type EndpointRegister, Seat } from './seat.ts'
import { SeatGroups } from './seat-groups.ts'
import type { ActiveCluster, ClusterBackend, ClusterCounters, ClusterDump, PickFacts } from './types.ts'

export interface ClusterSurroundings {
  readonly view: WaypointView
  readonly clock: Clock
  readonly register: EndpointRegister
  /** This waypoint's own workload, once it is known. */
  readonly self: () => Workload | undefined
}

/** What the seats were made of; while it is the same, they are. */
interface Basis {
  readonly service: Service
  readonly endpoints: readonly MeshEndpoint[]
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly policy: TrafficPolicy
  readonly self: Workload | undefined
}

const NO_LABELS: Readonly<Record<string, string>> = {}
/** How often a chosen endpoint that has failed this request before is put back for another. */
const TRIES_TO_AVOID = 5

/** A cluster in use: its seats, as the mesh was when somebody last asked, and its counts. */
export class LiveCluster implements ActiveCluster {
  readonly backend: ClusterBackend
  readonly name: string
  readonly #around: ClusterSurroundings
  readonly #seats = new Map<string, Seat>()
  readonly #outliers: OutlierWatch
  readonly #groups: SeatGroups
  readonly #random: () => number
  #basis: Basis
  #isStale = true
  #isClosed = false
  /** For PASSTHROUGH. */
  readonly outsiders: Outsiders = new Outsiders()
  activeRequests = 0
  activeRetries = 0
  readonly counters: ClusterCounters = {
    requests: 0,
    refusedRequests: 0,
    withoutEndpoint: 0,
    ejections: 0,
  }

  constructor(backend: ClusterBackend, service: Service, around: ClusterSurroundings) {
    this.backend = backend
    this.name = clusterName(backend)
    this.#around = around
    this.#basis = {
      service,
      endpoints: [],
      labels: undefined,
      policy: around.view.trafficPolicy(backend),
      self: undefined,
    }
    this.#groups = new SeatGroups(around.clock)
    this.#random = () => around.clock.random()
    this.#outliers = new OutlierWatch({
      clock: around.clock,
      seats: () => this.#seats.values(),
      seatCount: () => this.#seats.size,
      onChanged: () => this.#groups.healthChanged(),
    })
  }

  get policy(): TrafficPolicy {
    this.#refresh()
    return this.#basis.policy
  }

  get service(): Service {
    return this.#basis.service
  }

  /** The mesh may have changed; looked at when somebody next asks. */
  markStale(): void {
    this.#isStale = true
  }

  /** @param hash of the request; only a consistent hash has one */
  choose({ avoid, isRetry, usesRemoteLocalities }: PickFacts, hash: number | undefined): Seat | undefined {
    this.#refresh()
    const random = this.#random
    const everywhere = isRetry && usesRemoteLocalities
    const seat = this.#groups.pick(random, hash, everywhere)
    // What is kept together by a hash stays together.
    if (seat === undefined || avoid.length === 0 || hash !== undefined) return seat
    let another: Seat | undefined = seat
    for (let tries = 1; tries < TRIES_TO_AVOID && another !== undefined; tries++) {
      if (!avoid.includes(another.endpoint)) return another
      another = this.#groups.pick(random, hash, everywhere)
    }
    if (another !== undefined && !avoid.includes(another.endpoint)) return another
    return this.#groups.anyBut(avoid, everywhere, seat.group) ?? seat
  }

  seatAt(ip: string): Seat | undefined {
    this.#refresh()
    for (const seat of this.#seats.values()) {
      if (seat.endpoint.address.kind === 'address' && seat.endpoint.address.ip === ip) return seat
    }
    return undefined
  }

  record(seat: Seat, outcome: Parameters<OutlierWatch['record']>[1]): void {
    // An endpoint may have left while its request was under way.
    if (this.#seats.get(seat.workload.uid) === seat) this.#outliers.record(seat, outcome)
  }

  dump(): ClusterDump {
    this.#refresh()
    this.counters.ejections = this.#outliers.ejections
    return dumpOf(this, this.#seats.values())
  }

  /** Pools may hold it for longer: it stays as it is, without endpoints. */
  close(): void {
    this.#isClosed = true
    this.#outliers.close()
    for (const { endpoint } of this.#seats.values()) this.#around.register.release(endpoint)
    this.#seats.clear()
  }

  #refresh(): void {
    if (!this.#isStale || this.#isClosed) return
    this.#isStale = false
    const { view, self } = this.#around
    const key = `${this.backend.namespace}/${this.backend.hostname}`
    const last = this.#basis
    const service = view.mesh.serviceByKey(key) ?? last.service
    const record = view.cluster(this.backend)
    const next: Basis = {
      service,
      endpoints: view.mesh.endpoints(key),
      labels: record?.labels ?? (this.backend.subset === '' ? NO_LABELS : undefined),
      policy: view.trafficPolicy(this.backend),
      self: self(),
    }
    if (isSameBasis(last, next) && !dependsOnLabels(next)) return
    this.#basis = next
    const labelsOf = (uid: string): Readonly<Record<string, string>> => view.labelsOf(uid)
    const members = membersOf(next.endpoints, {
      service,
      backend: this.backend,
      labels: next.labels,
      network: view.network,
      labelsOf,
    })
    this.#seat(members)
    this.#outliers.use(next.policy.outliers)
    const placement = placementOf({
      service,
      policy: next.policy,
      self: next.self,
      labelsOf,
    })
    this.#groups.use(groupBy([...this.#seats.values()], placement), placement.kind, next.policy)
  }

  /** Who stays keeps the seat with its counts; another address of a workload is another endpoint. */
  #seat(members: readonly Member[]): void {
    const { register, clock } = this.#around
    const gone = new Set(this.#seats.keys())
    const nowMs = clock.monotonicMs()
    for (const member of members) {
      const { uid } = member.workload
      const seat = this.#seats.get(uid)
      gone.delete(uid)
      if (seat !== undefined && isSameAddress(seat, member)) {
        seat.endpoint.workload = member.workload
        continue
      }
      if (seat !== undefined) this.#leave(seat)
      this.#seats.set(uid, new Seat(register.hold(member), nowMs))
    }
    for (const uid of gone) {
      const seat = this.#seats.get(uid)
      if (seat !== undefined) this.#leave(seat)
      this.#seats.delete(uid)
    }
  }

  #leave(seat: Seat): void {
    this.#outliers.forget(seat)
    this.#around.register.release(seat.endpoint)
  }
}

export function clusterName({ namespace, hostname, port, subset }: ClusterBackend): string {
  return subset === '' ? `${namespace}/${hostname}:${port}` : `${namespace}/${hostname}:${port}/${subset}`
}

function isSameAddress({ endpoint: { address } }: Seat, { address: other }: Member): boolean {
  if (address.port !== other.port) return false
  if (address.kind === 'address') return other.kind === 'address' && address.ip === other.ip
  return other.kind === 'hostname' && address.hostname === other.hostname
}

function isSameBasis(a: Basis, b: Basis): boolean {
  return (
    a.service === b.service &&
    a.endpoints === b.endpoints &&
    a.labels === b.labels &&
    a.policy === b.policy &&
    a.self === b.self
  )
}

/** Labels of workloads come and go without a new record of the workload. */
function dependsOnLabels({ labels, policy }: Basis): boolean {
  return (labels !== undefined && Object.keys(labels).length > 0) || policy.locality.kind === 'priority'
}
