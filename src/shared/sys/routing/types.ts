import type { Cidr, IpAddress, IpFamily } from '#shared/net'
import type { Netns } from '../types.ts'

/** A network interface as it is. */
export interface Link {
  readonly index: number
  readonly name: string
  readonly isUp: boolean
  /** Index of the bridge it is a port of; undefined when of none. */
  readonly master: number | undefined
  readonly mtuBytes: number
}

/** Two ends of a cable, one in this namespace, one in another (or the same). */
export interface VethPair {
  readonly name: string
  readonly peerName: string
  readonly peerNetns: Netns
  readonly mtuBytes?: number
}

export interface InterfaceAddress {
  readonly link: string
  readonly ip: IpAddress
  readonly prefixBits: number
}

/** `local` makes the destination this host's own. */
export type RouteType = 'unicast' | 'local' | 'unreachable'

export interface Route {
  readonly type: RouteType
  /** Prefix length 0 is the default route. */
  readonly destination: Cidr
  /** Next hop; undefined when the destination is on the link itself. */
  readonly via: IpAddress | undefined
  /** Interface name; undefined for `unreachable`. */
  readonly link: string | undefined
  /** 254 is the main table. */
  readonly table: number
}

/** Packets with this mark are routed by `table`. */
export interface MarkRule {
  readonly family: IpFamily
  /** Lower is asked first; the main table's is 32,766. */
  readonly priority: number
  readonly mark: number
  readonly mask: number
  readonly table: number
}
