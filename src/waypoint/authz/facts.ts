import { type SpiffeParts, spiffeParts } from '#shared/model'
import { type IpAddress, ipToBytes } from '#shared/net'
import type { AddressFact, PeerFacts, RequestFacts, TokenFacts } from '#shared/policy'
import type { Principal } from '../authn/index.ts'
import type { Exchange } from '../codec/index.ts'
import type { InnerConnection } from '../listen/index.ts'
import type { Destination } from '../state/index.ts'
import { hostOf } from './normalise-host.ts'
import { remoteAddress } from './remote-address.ts'

const SCHEME = 'spiffe://'

class Address implements AddressFact {
  readonly ip: IpAddress
  #bytes: Uint8Array | undefined

  constructor(ip: IpAddress) {
    this.ip = ip
  }

  get bytes(): Uint8Array {
    this.#bytes ??= ipToBytes(this.ip)
    return this.#bytes
  }
}

/** What rules may ask about a connection; kept as long as it, since all of its requests ask the same. */
class FactsOfConnection implements PeerFacts {
  readonly principal: string | undefined
  readonly source: AddressFact
  readonly port: number
  /** Of TLS that we do not end; such connections do not come here yet. */
  readonly sni: undefined
  readonly #connection: InnerConnection
  #parts: SpiffeParts | undefined
  #account: string | undefined
  #destinations: readonly AddressFact[] | undefined

  constructor(connection: InnerConnection) {
    this.#connection = connection
    this.principal = connection.peer?.slice(SCHEME.length)
    this.source = new Address(connection.source.ip)
    this.port = connection.destination.port
  }

  /** Nobody has said otherwise in a head that we read. */
  get remote(): AddressFact {
    return this.source
  }

  get trustDomain(): string | undefined {
    return this.#identity()?.trustDomain
  }

  get namespace(): string | undefined {
    return this.#identity()?.namespace
  }

  get account(): string | undefined {
    const parts = this.#identity()
    if (parts !== undefined) this.#account ??= `${parts.namespace}/${parts.serviceAccount}`
    return this.#account
  }

  get destinations(): readonly AddressFact[] {
    this.#destinations ??= addressesOf(this.#connection.destination).map((ip) => new Address(ip))
    return this.#destinations
  }

  #identity(): SpiffeParts | undefined {
    const { peer } = this.#connection
    if (peer !== undefined) this.#parts ??= spiffeParts(peer)
    return this.#parts
  }
}

function addressesOf(destination: Destination): readonly IpAddress[] {
  return destination.kind === 'service' ? destination.service.vips.map(({ ip }) => ip) : destination.workload.addresses
}

const known = new WeakMap<InnerConnection, PeerFacts>()

export function factsOfConnection(connection: InnerConnection): PeerFacts {
  const there = known.get(connection)
  if (there !== undefined) return there
  const made = new FactsOfConnection(connection)
  known.set(connection, made)
  return made
}

/** What rules may ask about a request. Texts are cut out when the first rule asks for them. */
export class FactsOfRequest implements RequestFacts {
  readonly token: TokenFacts | undefined
  readonly #exchange: Exchange
  readonly #peer: PeerFacts
  readonly #trustedProxies: number
  #path: string | undefined
  #host: string | undefined
  #remote: AddressFact | undefined

  /** @param trustedProxies how many addresses at the end of `x-forwarded-for` are believed */
  constructor(exchange: Exchange, who: Principal, trustedProxies: number) {
    this.#exchange = exchange
    this.#peer = factsOfConnection(exchange.connection)
    this.token = who.token
    this.#trustedProxies = trustedProxies
  }

  get principal(): string | undefined {
    return this.#peer.principal
  }

  get trustDomain(): string | undefined {
    return this.#peer.trustDomain
  }

  get namespace(): string | undefined {
    return this.#peer.namespace
  }

  get account(): string | undefined {
    return this.#peer.account
  }

  get source(): AddressFact {
    return this.#peer.source
  }

  get remote(): AddressFact {
    if (this.#trustedProxies === 0) return this.#peer.source
    const { source } = this.#peer
    this.#remote ??= new Address(remoteAddress(source.ip, this.#exchange.request.fields, this.#trustedProxies))
    return this.#remote
  }

  get destinations(): readonly AddressFact[] {
    return this.#peer.destinations
  }

  get port(): number {
    return this.#peer.port
  }

  get sni(): string | undefined {
    return this.#peer.sni
  }

  get method(): string {
    return this.#exchange.request.method
  }

  get path(): string {
    this.#path ??= pathOf(this.#exchange.request.target)
    return this.#path
  }

  get authority(): string {
    return this.#exchange.request.authority
  }

  get host(): string {
    this.#host ??= hostOf(this.#exchange.request.authority)
    return this.#host
  }

  header(name: string): readonly string[] {
    const { request } = this.#exchange
    switch (name) {
      case 'host':
      case ':authority':
        return [request.authority]
      case ':method':
        return [request.method]
      case ':path':
        return [request.target]
      case ':scheme':
        return [request.scheme]
      default:
        return request.fields.values(name)
    }
  }
}

function pathOf(target: string): string {
  const mark = target.indexOf('?')
  return mark === -1 ? target : target.slice(0, mark)
}
