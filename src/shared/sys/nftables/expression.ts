/**
 * The virtual machine's instructions of one rule (linux/netfilter/nf_tables.h). A rule's instructions run in order; a
 * `cmp` that does not hold ends the rule. Values are hex, as they lie in memory: addresses and ports in network order,
 * marks in host order.
 */
export type NftExpression =
  | { readonly kind: 'meta'; readonly key: MetaKey; readonly to: Register }
  | { readonly kind: 'set meta'; readonly key: 'mark'; readonly from: Register }
  | { readonly kind: 'ct'; readonly key: 'mark'; readonly to: Register }
  | { readonly kind: 'set ct'; readonly key: 'mark' | 'zone'; readonly from: Register }
  | {
      readonly kind: 'payload'
      readonly base: 'network' | 'transport'
      readonly offsetBytes: number
      readonly lengthBytes: number
      readonly to: Register
    }
  | { readonly kind: 'bitwise'; readonly from: Register; readonly to: Register; readonly mask: Hex; readonly xor: Hex }
  | { readonly kind: 'cmp'; readonly from: Register; readonly op: '==' | '!='; readonly value: Hex }
  | { readonly kind: 'immediate'; readonly to: Register; readonly value: Hex }
  | {
      readonly kind: 'numgen'
      readonly mode: 'incremental' | 'random'
      readonly modulus: number
      readonly to: Register
    }
  | { readonly kind: 'verdict'; readonly verdict: 'accept' | 'drop' | 'return' }
  | { readonly kind: 'verdict'; readonly verdict: 'jump' | 'goto'; readonly chain: string }
  | { readonly kind: 'redirect'; readonly port: Register }
  | {
      readonly kind: 'nat'
      readonly change: 'source' | 'destination'
      readonly family: 'ip' | 'ip6'
      readonly address: Register
      readonly port: Register | undefined
    }
  | { readonly kind: 'masquerade' }
  | { readonly kind: 'counter' }
  | { readonly kind: 'reject'; readonly with: 'tcp reset' | 'port unreachable' }
  /** Read back, but not one of ours. */
  | { readonly kind: 'unknown'; readonly name: string }

/** 1 to 4, of 16 bytes each. */
export type Register = 1 | 2 | 3 | 4

export type Hex = string

export type MetaKey = 'mark' | 'input interface' | 'output interface' | 'network protocol' | 'transport protocol'
