import type { Clock } from '#shared/clock'
import type { Drainable, DrainOrder } from '#shared/lifecycle'
import type { ByteChannel } from '#shared/net'
import type { Destination } from '../state/index.ts'
import { type IdentifyTimes, identify } from './identify.ts'
import { PeekedChannel } from './peeked-channel.ts'
import type { ConnectionOwner, UnreadConnection } from './types.ts'

/** The connections of clients through one port: each is identified, handed on, and drained with the others. */
export class InnerConnections implements Drainable {
  readonly #owner: ConnectionOwner
  readonly #clock: Clock
  readonly #times: IdentifyTimes
  readonly #open = new Set<Tracked>()
  #draining: DrainOrder | undefined

  constructor(owner: ConnectionOwner, clock: Clock, times: IdentifyTimes) {
    this.#owner = owner
    this.#clock = clock
    this.#times = times
  }

  get count(): number {
    return this.#open.size
  }

  /** Takes an unstarted channel over. */
  add(channel: ByteChannel, arrived: UnreadConnection): void {
    const tracked: Tracked = {
      channel: new PeekedChannel(channel, () => this.#open.delete(tracked)),
      service: undefined,
    }
    this.#open.add(tracked)
    const owner = this.#owner
    const dialServer = owner.dialForSilent && (() => owner.dialForSilent?.(arrived) ?? Promise.resolve(undefined))
    identify(tracked.channel, declaredOf(arrived.destination), this.#clock, this.#times, dialServer, (what) => {
      tracked.service = owner.serve({ ...arrived, ...what, channel: tracked.channel })
      if (this.#draining !== undefined) void tracked.service.drain(this.#draining)
    })
  }

  /** What nobody has said a word on is closed at once: no request is lost with it. */
  async drain(order: DrainOrder): Promise<void> {
    this.#draining = order
    const all = [...this.#open]
    for (const { channel, service } of all) if (service === undefined) channel.destroy()
    await Promise.all(all.map(({ service }) => service?.drain(order)))
  }
}

interface Tracked {
  readonly channel: PeekedChannel
  /** Undefined until it is known what is spoken. */
  service: Drainable | undefined
}

/** A workload's port declares nothing (workloads of the mesh's description have no ports). */
function declaredOf(destination: Destination): Parameters<typeof identify>[1] {
  return destination.kind === 'service' ? destination.appProtocol : undefined
}
