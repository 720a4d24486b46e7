import { isDeepStrictEqual } from 'node:util'
import { Backoff, type Clock, type Timer } from '#shared/clock'
import type { StatusProblem } from '#shared/control'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import type { ObjectAccess } from '../apiserver/index.ts'
import { EventRecorder } from '../controllers/index.ts'
import { type ServiceRecord, type ServiceTable, usableEndpoints } from '../services/index.ts'
import { ingressOf, type PortState } from './load-balancer-status.ts'
import { ConnectionLimit, type ForwardTarget, PortForward } from './port-forward.ts'
import type { PortOpener } from './port-opener.ts'
import { type HostPort, type WantedPorts, wantedPorts } from './wanted-ports.ts'

export interface HostPortSettings {
  readonly clock: Clock
  readonly logger: Logger
  readonly access: ObjectAccess
  readonly table: ServiceTable
  /** Connections are made from the node that the endpoint is on; by name, in order. */
  readonly nodes: ReadonlyMap<string, Netns>
  readonly opener: PortOpener
  /** After every change that `problems` shows. */
  readonly changed: () => void
}

/** Changes of services that come within this time are worked off together. */
const GATHER_MS = 20
/** Of all ports together; two descriptors each. */
const MAX_CONNECTIONS = 1_024
/** A port that somebody has may become free. */
const RETRY = { firstMs: 1_000, maxMs: 15_000, jitter: 0.1 }

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has it',
  EACCES: 'this user may not; ports below 1024 are for root',
}

interface Entry {
  readonly wanted: HostPort
  readonly backoff: Backoff
  state: PortState
  /** Why it is not open; empty while nothing is wrong. */
  problem: string
  forward: PortForward | undefined
  retry: Timer | undefined
}

/** Ports of the machine's loopback that lead to services: opened, forwarded, told and closed as services come and go. */
export class HostPorts implements Closer {
  readonly #settings: HostPortSettings
  readonly #limit = new ConnectionLimit(MAX_CONNECTIONS)
  readonly #events: EventRecorder
  readonly #entries = new Map<number, Entry>()
  readonly #stopFollowing: () => void
  #lost: WantedPorts['lost'] = []
  #timer: Timer | undefined
  #isClosed = false

  constructor(settings: HostPortSettings) {
    this.#settings = settings
    this.#events = new EventRecorder(settings, 'host-ports')
    this.#stopFollowing = settings.table.onChange(() => this.#notice())
    this.#notice()
  }

  get problems(): readonly StatusProblem[] {
    const troubled = [...this.#entries.values()].filter(({ problem }) => problem !== '')
    return [
      ...troubled.map(({ wanted, problem }) => problemOf(wanted, problem)),
      ...this.#lost.map((lost) => problemOf(lost, lostText(lost))),
    ]
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopFollowing()
    this.#timer?.cancel()
    await Promise.all(
      [...this.#entries.values()].map(({ forward, retry }) => {
        retry?.cancel()
        return forward?.close()
      }),
    )
    await this.#settings.opener.close()
  }

  #notice(): void {
    if (this.#isClosed) return
    this.#timer ??= this.#settings.clock.setTimer(GATHER_MS, () => {
      this.#timer = undefined
      this.#reconcile()
    })
  }

  #reconcile(): void {
    const services = this.#settings.table.services.map(({ service }) => service)
    const { wanted, lost } = wantedPorts(services, (port) => this.#entries.get(port)?.wanted.service)
    this.#tellLost(lost)
    for (const [port, entry] of this.#entries) {
      if (isDeepStrictEqual(wanted.get(port), entry.wanted)) continue
      this.#entries.delete(port)
      entry.retry?.cancel()
      entry.forward?.stopListening()
    }
    for (const [port, each] of wanted) if (!this.#entries.has(port)) this.#add(each)
    for (const service of services) void this.#tellStatus(service)
    this.#settings.changed()
  }

  #add(wanted: HostPort): void {
    const backoff = new Backoff(this.#settings.clock, RETRY)
    const entry: Entry = { wanted, backoff, state: 'opening', problem: '', forward: undefined, retry: undefined }
    this.#entries.set(wanted.port, entry)
    void this.#open(entry)
  }

  /** Never rejects. */
  async #open(entry: Entry): Promise<void> {
    const { opener, logger } = this.#settings
    const { port } = entry.wanted
    try {
      const opened = await opener.open(port)
      const isWanted = !this.#isClosed && this.#entries.get(port) === entry
      if (opened.kind === 'refused') {
        if (isWanted) this.#tellRefused(entry, opened.errno)
        return
      }
      const forward = new PortForward(opened.fd, {
        clock: this.#settings.clock,
        logger,
        limit: this.#limit,
        target: () => this.#target(entry.wanted),
      })
      if (!isWanted) return forward.stopListening()
      entry.forward = forward
      entry.state = 'open'
      entry.problem = ''
      this.#notice()
    } catch (error) {
      if (this.#isClosed) return
      entry.state = 'taken'
      entry.problem = `cannot be opened on this machine: ${reasonOf(error)}`
      logger.error('a port of the machine cannot be opened', { port, reason: reasonOf(error) })
      this.#settings.changed()
    }
  }

  #tellRefused(entry: Entry, errno: string): void {
    const { port, service, field } = entry.wanted
    const { clock, changed } = this.#settings
    entry.state = errno === 'EACCES' ? 'forbidden' : 'taken'
    const why = WHY[errno] === undefined ? '' : `: ${WHY[errno]}`
    const problem = `127.0.0.1:${port} cannot be opened on this machine (${errno})${why}`
    const isNews = entry.problem !== problem
    entry.problem = problem
    entry.retry = clock.setTimer(entry.backoff.next(), () => void this.#open(entry))
    if (!isNews) return
    this.#warn(service, entry.state === 'taken' ? 'HostPortTaken' : 'HostPortForbidden', `${field}: ${problem}`)
    this.#notice()
    changed()
  }

  #tellLost(lost: WantedPorts['lost']): void {
    for (const each of lost) {
      if (this.#lost.some((known) => isDeepStrictEqual(known, each))) continue
      this.#warn(each.service, 'HostPortTaken', `${each.field}: ${lostText(each)}`)
    }
    this.#lost = lost
  }

  #warn(service: string, reason: string, message: string): void {
    const object = this.#settings.table.service(service)?.object
    if (object !== undefined) void this.#events.record(object, { type: 'Warning', reason, message })
  }

  /** Whom the next connection goes to, one of all at random. */
  #target({ service: key, servicePort }: HostPort): ForwardTarget | undefined {
    const { table, clock, nodes } = this.#settings
    const service = table.service(key)
    if (service === undefined) return undefined
    const live = { service, endpoints: table.endpointsOf(key) }
    const ipv4 = usableEndpoints(live, servicePort, 4)
    const usable = ipv4.length > 0 ? ipv4 : usableEndpoints(live, servicePort, 6)
    const endpoint = usable[Math.floor(clock.random() * usable.length)]
    const from = nodes.get(endpoint?.node ?? '') ?? nodes.values().next().value
    return endpoint === undefined || from === undefined ? undefined : { ip: endpoint.ip, port: endpoint.port, from }
  }

  /** Writes `status.loadBalancer` where it is not as it should be; never rejects. */
  async #tellStatus(service: ServiceRecord): Promise<void> {
    const { access, logger } = this.#settings
    if (service.isOfOtherClass) return
    const ingress = ingressOf(service, (port) => {
      const entry = this.#entries.get(port)
      return entry?.wanted.service === service.key ? entry.state : 'taken'
    })
    if (ingress === undefined) return
    const { namespace, name, object } = service
    const status = object.status as { readonly loadBalancer?: { readonly ingress?: unknown } } | undefined
    if (isDeepStrictEqual(status?.loadBalancer?.ingress ?? [], ingress)) return
    const { uid } = object.metadata
    try {
      const ref = { group: '', resource: 'services', namespace, name }
      await access.patch(
        ref,
        'merge',
        { metadata: { uid }, status: { loadBalancer: { ingress: ingress.length > 0 ? ingress : null } } },
        { subresource: 'status', fieldManager: 'host-ports' },
      )
    } catch (error) {
      // It is gone, or another now; whatever becomes of it is noticed.
      if (!this.#isClosed)
        logger.info('a load balancer cannot be told', { service: service.key, reason: reasonOf(error) })
    }
  }
}

function problemOf({ service, field }: HostPort, problem: string): StatusProblem {
  return { where: `Service ${service}`, line: undefined, path: field, problem }
}

function lostText({ port, owner }: WantedPorts['lost'][number]): string {
  return `127.0.0.1:${port} of this machine already leads to service ${owner}`
}
