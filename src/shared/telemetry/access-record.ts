import { formatSocketAddress, type SocketAddress } from '#shared/net'
import type { Line, Log } from './log.ts'
import { levelNumber } from './log-filter.ts'

/** Who is at one end of connections: one object for many of them, since its part of a line is written once. */
export interface AccessWho {
  /** Pod name, else canonical service. */
  readonly workload: string | undefined
  readonly namespace: string | undefined
  /** Only where mTLS has proven it. */
  readonly identity: string | undefined
  readonly cluster: string | undefined
}

/** One end of a connection, as far as it is known. */
export interface AccessParty {
  readonly address: SocketAddress
  readonly who: AccessWho
}

export type AccessDirection = 'inbound' | 'outbound'

/** What a connection is about: known as soon as the request is built. */
export interface AccessSubject {
  readonly source: AccessParty
  /** The next hop, for a tunnel with port 15008. */
  readonly destination: AccessParty
  /** The tunnel's authority, `ip:port` or `host:port`; undefined outside tunnels. */
  readonly hboneAddress: string | undefined
  /** Host name of the service that was asked for. */
  readonly service: string | undefined
  readonly direction: AccessDirection
  /** W3C trace id that both ends of a tunnel know; told where the log's level is debug. */
  readonly traceId?: string | undefined
}

/** One line for each connection, written once, at its end. */
export interface AccessRecord extends AccessSubject {
  /** What the application of this side sent and got: outbound the one that opened, inbound the one that answers. */
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly durationMs: number
  readonly error: string | undefined
  /** The policy and the rule (0-based) that refused or ended it; told behind Istio's own fields. */
  readonly deniedBy: { readonly policy: string; readonly rule: number | undefined } | undefined
}

/** A connection that ended before anything was known about it. */
export interface EarlyDenial {
  readonly source: SocketAddress
  readonly destination: SocketAddress
  readonly direction: AccessDirection
  readonly error: string
}

const SCOPE = 'access'

/** What a line says of one end behind its address. */
interface Rendered {
  readonly asSource: string
  readonly asDestination: string
}

/** Writes the access log: fields, order and levels of hbone-and-ztunnel h.3. */
export class AccessLog {
  readonly #log: Log
  readonly #rendered = new WeakMap<AccessWho, Rendered>()
  #threshold: number

  constructor(log: Log) {
    this.#log = log
    this.#threshold = log.filter.threshold(SCOPE)
    log.filter.onChanged(() => {
      this.#threshold = log.filter.threshold(SCOPE)
    })
  }

  get #isVerbose(): boolean {
    return levelNumber('debug') <= this.#threshold
  }

  opened(subject: AccessSubject): void {
    if (!this.#isVerbose) return
    const line = this.#log.begin('debug', SCOPE, 'connection opened')
    this.#addSubject(line, subject)
    line.text('trace_id', subject.traceId)
    line.end()
  }

  /** Level info, error when it ended with one. */
  complete(record: AccessRecord): void {
    const level = record.error === undefined ? 'info' : 'error'
    if (levelNumber(level) > this.#threshold) return
    const line = this.#log.begin(level, SCOPE, 'connection complete')
    this.#addSubject(line, record)
    line.bare('bytes_sent', record.sentBytes)
    line.bare('bytes_recv', record.receivedBytes)
    line.plain('duration', `${Math.max(0, Math.trunc(record.durationMs))}ms`)
    line.text('error', record.error)
    line.text('deny.policy', record.deniedBy?.policy)
    line.bare('deny.rule', record.deniedBy?.rule)
    if (this.#isVerbose) line.text('trace_id', record.traceId)
    line.end()
  }

  failedEarly(denial: EarlyDenial): void {
    if (levelNumber('warn') > this.#threshold) return
    const line = this.#log.begin('warn', SCOPE, 'connection failed')
    line.bare('src.addr', formatSocketAddress(denial.source))
    line.bare('dst.addr', formatSocketAddress(denial.destination))
    line.text('direction', denial.direction)
    line.text('error', denial.error)
    line.end()
  }

  #addSubject(line: Line, { source, destination, hboneAddress, service, direction }: AccessSubject): void {
    line.bare('src.addr', formatSocketAddress(source.address))
    line.add(this.#render(source.who).asSource)
    line.bare('dst.addr', formatSocketAddress(destination.address))
    line.bare('dst.hbone_addr', hboneAddress)
    line.text('dst.service', service)
    line.add(this.#render(destination.who).asDestination)
    line.plain('direction', direction)
  }

  #render(who: AccessWho): Rendered {
    const known = this.#rendered.get(who)
    if (known !== undefined) return known
    const as = (side: 'src' | 'dst'): string =>
      this.#log.render([
        [`${side}.workload`, who.workload],
        [`${side}.namespace`, who.namespace],
        [`${side}.identity`, who.identity],
        [`${side}.cluster`, who.cluster],
      ])
    const rendered = { asSource: as('src'), asDestination: as('dst') }
    this.#rendered.set(who, rendered)
    return rendered
  }
}
