import type { NftExpression } from './expression.ts'

/** `inet` holds IPv4 and IPv6 alike. */
export type NftFamily = 'inet' | 'ip' | 'ip6'

/** A whole table as data: what is written is what is read back. */
export interface NftTable {
  readonly family: NftFamily
  readonly name: string
  /** Chains that others jump to come before or after them alike. */
  readonly chains: readonly NftChain[]
}

export interface NftChain {
  readonly name: string
  /** Where packets enter it; undefined = only by jump. */
  readonly base: NftBaseChain | undefined
  readonly rules: readonly NftRule[]
}

export interface NftBaseChain {
  readonly type: 'filter' | 'nat' | 'route'
  readonly hook: NftHook
  /** Lower runs earlier: raw −300, mangle −150, destination nat −100, filter 0, source nat 100. */
  readonly priority: number
  /** What happens to packets that no rule decided. */
  readonly policy: 'accept' | 'drop'
}

export type NftHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'

export interface NftRule {
  readonly expressions: readonly NftExpression[]
  /** Shown by `nft list`; at most 128 bytes. */
  readonly comment: string
}
