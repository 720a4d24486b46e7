import { formatSocketAddress, type SocketAddress } from '#shared/net'
import type { LineField, Log } from './log.ts'
import { levelNumber } from './log-filter.ts'

/** One end of a connection, as far as it is known. */
export interface AccessParty {
  readonly address: SocketAddress
  /** Pod name, else canonical service. */
  readonly workload: string | undefined
  readonly namespace: string | undefined
  /** Only where mTLS has proven it. */
  readonly identity: string | undefined
  readonly cluster: string | undefined
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

/** Writes the access log: fields, order and levels of hbone-and-ztunnel h.3. */
export class AccessLog {
  readonly #log: Log
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
    this.#log.write('debug', SCOPE, 'connection opened', [...subjectFields(subject), ['trace_id', subject.traceId]])
  }

  /** Level info, error when it ended with one. */
  complete(record: AccessRecord): void {
    const level = record.error === undefined ? 'info' : 'error'
    if (levelNumber(level) > this.#threshold) return
    const fields = subjectFields(record)
    fields.push(
      ['bytes_sent', record.sentBytes],
      ['bytes_recv', record.receivedBytes],
      ['duration', `${Math.max(0, Math.trunc(record.durationMs))}ms`],
      ['error', record.error],
      ['deny.policy', record.deniedBy?.policy],
      ['deny.rule', record.deniedBy?.rule],
      ['trace_id', this.#isVerbose ? record.traceId : undefined],
    )
    this.#log.write(level, SCOPE, 'connection complete', fields)
  }

  failedEarly(denial: EarlyDenial): void {
    if (levelNumber('warn') > this.#threshold) return
    this.#log.write('warn', SCOPE, 'connection failed', [
      ['src.addr', { bare: formatSocketAddress(denial.source) }],
      ['dst.addr', { bare: formatSocketAddress(denial.destination) }],
      ['direction', denial.direction],
      ['error', denial.error],
    ])
  }
}

function subjectFields({ source, destination, hboneAddress, service, direction }: AccessSubject): LineField[] {
  return [
    ['src.addr', { bare: formatSocketAddress(source.address) }],
    ['src.workload', source.workload],
    ['src.namespace', source.namespace],
    ['src.identity', source.identity],
    ['src.cluster', source.cluster],
    ['dst.addr', { bare: formatSocketAddress(destination.address) }],
    ['dst.hbone_addr', hboneAddress === undefined ? undefined : { bare: hboneAddress }],
    ['dst.service', service],
    ['dst.workload', destination.workload],
    ['dst.namespace', destination.namespace],
    ['dst.identity', destination.identity],
    ['dst.cluster', destination.cluster],
    ['direction', direction],
  ]
}
