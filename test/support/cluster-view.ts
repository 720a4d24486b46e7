import { type Cluster, DEFAULT_TRAFFIC_POLICY, type TrafficPolicy } from '#shared/l7'
import type { MeshState } from '#shared/mesh-state'
import type { Service, Workload } from '#shared/model'
import type { ClusterBackend } from '../../src/waypoint/balance/index.ts'
import type { WaypointView } from '../../src/waypoint/state/index.ts'
import { FakeClock } from './fake-clock.ts'
import { addressUpdate, meshOf } from './mesh-builder.ts'

/** What a waypoint knows of clusters and their endpoints; a test changes it as a control plane would. */
export class ClusterView implements WaypointView {
  readonly mesh: MeshState
  readonly network = ''
  /** Key `<port>/<subset>`. */
  readonly #clusters = new Map<string, Cluster>()
  readonly #labels = new Map<string, Readonly<Record<string, string>>>()
  readonly #listeners = new Set<() => void>()

  constructor(addresses: readonly (Workload | Service)[]) {
    this.mesh = meshOf(addresses)
  }

  /** Changes workloads and services. */
  tell(changed: readonly (Workload | Service)[], removed: readonly string[] = []): void {
    this.mesh.applyAddresses(addressUpdate(changed, removed))
    this.#changed()
  }

  put(backend: ClusterBackend, policy: Partial<TrafficPolicy>, labels: Readonly<Record<string, string>> = {}): void {
    this.#clusters.set(keyOf(backend), { ...backend, labels, policy: { ...DEFAULT_TRAFFIC_POLICY, ...policy } })
    this.#changed()
  }

  label(workload: Workload, labels: Readonly<Record<string, string>>): void {
    this.#labels.set(workload.uid, labels)
    this.#changed()
  }

  cluster(backend: ClusterBackend): Cluster | undefined {
    return this.#clusters.get(keyOf(backend))
  }

  trafficPolicy(backend: ClusterBackend): TrafficPolicy {
    return this.cluster(backend)?.policy ?? DEFAULT_TRAFFIC_POLICY
  }

  labelsOf(uid: string): Readonly<Record<string, string>> {
    return this.#labels.get(uid) ?? {}
  }

  onEndpointsChanged(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  destination(): undefined {}
  routes(): undefined {}
  telemetry(): undefined {}

  requestPolicies(): readonly [] {
    return []
  }

  tokenPolicies(): readonly [] {
    return []
  }

  rateLimits(): readonly [] {
    return []
  }

  #changed(): void {
    for (const tell of [...this.#listeners]) tell()
  }
}

function keyOf({ port, subset }: ClusterBackend): string {
  return `${port}/${subset}`
}

/** Turned by hand, and random in a way that each run repeats (mulberry32). */
export class SeededClock extends FakeClock {
  override readonly random: () => number = seededRandom(1)
}

export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
