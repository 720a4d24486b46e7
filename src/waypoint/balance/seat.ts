import { type ConnectTarget, formatConnectTarget } from '#shared/hbone'
import type { Workload } from '#shared/model'
import type { Member } from './membership.ts'
import type { Endpoint } from './types.ts'

/** An endpoint with its live count, shared by every cluster that holds it. */
export class LiveEndpoint implements Endpoint {
  workload: Workload
  readonly address: ConnectTarget
  activeRequests = 0
  /** Clusters and requests that keep it in the register. */
  holders = 0

  constructor(workload: Workload, address: ConnectTarget) {
    this.workload = workload
    this.address = address
  }
}

/** Every endpoint that some cluster holds, by workload and address, so that its requests are counted in one place. */
export class EndpointRegister {
  readonly #byKey = new Map<string, LiveEndpoint>()

  hold({ workload, address }: Member): LiveEndpoint {
    const key = keyOf(workload.uid, address)
    let endpoint = this.#byKey.get(key)
    if (endpoint === undefined) {
      endpoint = new LiveEndpoint(workload, address)
      this.#byKey.set(key, endpoint)
    }
    endpoint.workload = workload
    endpoint.holders++
    return endpoint
  }

  release(endpoint: LiveEndpoint): void {
    endpoint.holders--
    if (endpoint.holders === 0) this.#byKey.delete(keyOf(endpoint.workload.uid, endpoint.address))
  }

  get size(): number {
    return this.#byKey.size
  }
}

function keyOf(uid: string, address: ConnectTarget): string {
  return `${uid} ${formatConnectTarget(address)}`
}

/** An endpoint's place in one cluster: what this cluster has seen of it. */
export class Seat {
  readonly endpoint: LiveEndpoint
  readonly joinedAtMs: number
  /** In which group it sits. */
  group = 0
  /** Part of its capacity that it gets while it warms up. */
  warmth = 1
  /** Round robin: when its turn comes, in turns of a weight of 1. */
  turn = 0
  /** Its last turn among those of the group. */
  turnOrder = 0
  consecutive5xx = 0
  consecutiveGatewayErrors = 0
  consecutiveLocalFailures = 0
  ejectedAtMs: number | undefined
  /** How many base times an ejection lasts; goes down with each interval that passes well. */
  ejections = 0

  constructor(endpoint: LiveEndpoint, joinedAtMs: number) {
    this.endpoint = endpoint
    this.joinedAtMs = joinedAtMs
  }

  get workload(): Workload {
    return this.endpoint.workload
  }

  get weight(): number {
    return this.endpoint.workload.capacity * this.warmth
  }

  get isEjected(): boolean {
    return this.ejectedAtMs !== undefined
  }
}
