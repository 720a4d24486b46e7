import { Attributes, attribute, nested, text, u8, u32be } from '../netlink/attributes.ts'
import type { Hex, MetaKey, NftExpression, Register } from './expression.ts'

const NFTA_EXPR_NAME = 1
const NFTA_EXPR_DATA = 2
const NFTA_DATA_VALUE = 1
const NFTA_DATA_VERDICT = 2
const NFTA_VERDICT_CODE = 1
const NFTA_VERDICT_CHAIN = 2
/** The register that decides a packet's fate. */
const NFT_REG_VERDICT = 0

const metaKeys: Readonly<Record<MetaKey, number>> = {
  mark: 3,
  'input interface': 6,
  'output interface': 7,
  'network protocol': 15,
  'transport protocol': 16,
}
const ctKeys = { mark: 3, zone: 17 } as const
const payloadBases = { network: 1, transport: 2 } as const
const cmpOps = { '==': 0, '!=': 1 } as const
const numgenModes = { incremental: 0, random: 1 } as const
const verdicts = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const
const natChanges = { source: 0, destination: 1 } as const
const families = { ip: 2, ip6: 10 } as const
/** Reject type and code: a TCP reset, or port unreachable in whichever ICMP the packet's family has. */
const rejections = { 'tcp reset': [1, 0], 'port unreachable': [2, 1] } as const

/** One element of NFTA_RULE_EXPRESSIONS. */
export function encodeExpression(expression: NftExpression): Uint8Array {
  const [name, ...data] = instruction(expression)
  return nested(1, text(NFTA_EXPR_NAME, name), nested(NFTA_EXPR_DATA, ...data))
}

function instruction(e: NftExpression): [name: string, ...data: Uint8Array[]] {
  switch (e.kind) {
    case 'meta':
      return ['meta', u32be(1, e.to), u32be(2, metaKeys[e.key])]
    case 'set meta':
      return ['meta', u32be(2, metaKeys[e.key]), u32be(3, e.from)]
    case 'ct':
      return ['ct', u32be(1, e.to), u32be(2, ctKeys[e.key])]
    case 'set ct':
      return ['ct', u32be(2, ctKeys[e.key]), u32be(4, e.from)]
    case 'payload':
      return [
        'payload',
        u32be(1, e.to),
        u32be(2, payloadBases[e.base]),
        u32be(3, e.offsetBytes),
        u32be(4, e.lengthBytes),
      ]
    case 'bitwise':
      return ['bitwise', u32be(1, e.from), u32be(2, e.to), u32be(3, e.mask.length / 2), data(4, e.mask), data(5, e.xor)]
    case 'cmp':
      return ['cmp', u32be(1, e.from), u32be(2, cmpOps[e.op]), data(3, e.value)]
    case 'immediate':
      return ['immediate', u32be(1, e.to), data(2, e.value)]
    case 'numgen':
      return ['numgen', u32be(1, e.to), u32be(2, e.modulus), u32be(3, numgenModes[e.mode])]
    case 'verdict': {
      const chain = 'chain' in e ? [text(NFTA_VERDICT_CHAIN, e.chain)] : []
      const verdict = nested(NFTA_DATA_VERDICT, u32be(NFTA_VERDICT_CODE, verdicts[e.verdict]), ...chain)
      return ['immediate', u32be(1, NFT_REG_VERDICT), nested(2, verdict)]
    }
    case 'redirect':
      return ['redir', u32be(1, e.port)]
    case 'nat': {
      const port = e.port === undefined ? [] : [u32be(5, e.port)]
      return ['nat', u32be(1, natChanges[e.change]), u32be(2, families[e.family]), u32be(3, e.address), ...port]
    }
    case 'masquerade':
      return ['masq']
    case 'counter':
      return ['counter']
    case 'reject': {
      const [type, code] = rejections[e.with]
      return ['reject', u32be(1, type), u8(2, code)]
    }
    case 'unknown':
      throw new TypeError(`an expression that was only read cannot be written: ${e.name}`)
  }
}

/** Reads one element of NFTA_RULE_EXPRESSIONS as the kernel gives it back. */
export function decodeExpression(bytes: Uint8Array): NftExpression {
  const element = new Attributes(bytes)
  const name = element.text(NFTA_EXPR_NAME) ?? ''
  // Only own ones: `constructor` is a name, too.
  const read = Object.hasOwn(readers, name) ? readers[name] : undefined
  return read?.(element.nested(NFTA_EXPR_DATA)) ?? { kind: 'unknown', name }
}

/** By the kernel's name; undefined for a form that is never written here. */
const readers: Readonly<Record<string, (a: Attributes) => NftExpression | undefined>> = {
  meta(a) {
    const key = keyOf(metaKeys, a.u32be(2))
    const [to, from] = [registerOf(a, 1), registerOf(a, 3)]
    if (key !== undefined && to !== undefined) return { kind: 'meta', key, to }
    return key === 'mark' && from !== undefined ? { kind: 'set meta', key, from } : undefined
  },
  ct(a) {
    const key = keyOf(ctKeys, a.u32be(2))
    const [to, from] = [registerOf(a, 1), registerOf(a, 4)]
    if (key === 'mark' && to !== undefined) return { kind: 'ct', key, to }
    return key !== undefined && from !== undefined ? { kind: 'set ct', key, from } : undefined
  },
  payload(a) {
    const [base, to] = [keyOf(payloadBases, a.u32be(2)), registerOf(a, 1)]
    const [offsetBytes, lengthBytes] = [a.u32be(3), a.u32be(4)]
    if (base === undefined || to === undefined || offsetBytes === undefined || lengthBytes === undefined)
      return undefined
    return { kind: 'payload', base, offsetBytes, lengthBytes, to }
  },
  bitwise(a) {
    const [from, to, mask, xor] = [registerOf(a, 1), registerOf(a, 2), hexAt(a, 4), hexAt(a, 5)]
    if (from === undefined || to === undefined || mask === undefined || xor === undefined) return undefined
    return { kind: 'bitwise', from, to, mask, xor }
  },
  cmp(a) {
    const [from, op, value] = [registerOf(a, 1), keyOf(cmpOps, a.u32be(2)), hexAt(a, 3)]
    if (from === undefined || op === undefined || value === undefined) return undefined
    return { kind: 'cmp', from, op, value }
  },
  immediate(a) {
    const [to, value] = [registerOf(a, 1), hexAt(a, 2)]
    if (to !== undefined && value !== undefined) return { kind: 'immediate', to, value }
    const decision = a.nested(2).nested(NFTA_DATA_VERDICT)
    const verdict = keyOf(verdicts, decision.u32be(NFTA_VERDICT_CODE))
    if (verdict === undefined) return undefined
    if (verdict !== 'jump' && verdict !== 'goto') return { kind: 'verdict', verdict }
    return { kind: 'verdict', verdict, chain: decision.text(NFTA_VERDICT_CHAIN) ?? '' }
  },
  numgen(a) {
    const [to, modulus, mode] = [registerOf(a, 1), a.u32be(2), keyOf(numgenModes, a.u32be(3))]
    if (to === undefined || modulus === undefined || mode === undefined) return undefined
    return { kind: 'numgen', mode, modulus, to }
  },
  redir(a) {
    const port = registerOf(a, 1)
    return port === undefined ? undefined : { kind: 'redirect', port }
  },
  nat(a) {
    const [change, family] = [keyOf(natChanges, a.u32be(1)), keyOf(families, a.u32be(2))]
    const address = registerOf(a, 3)
    if (change === undefined || family === undefined || address === undefined) return undefined
    return { kind: 'nat', change, family, address, port: registerOf(a, 5) }
  },
  masq: () => ({ kind: 'masquerade' }),
  // What it has counted is no part of the rule.
  counter: () => ({ kind: 'counter' }),
  reject(a) {
    const [type, code] = [a.u32be(1), a.u8(2) ?? 0]
    const found = Object.entries(rejections).find(([, [t, c]]) => t === type && (c === code || type === 1))
    return found === undefined ? undefined : { kind: 'reject', with: found[0] as keyof typeof rejections }
  },
}

function data(type: number, value: Hex): Uint8Array {
  return nested(type, attribute(NFTA_DATA_VALUE, Buffer.from(value, 'hex')))
}

function hexAt(attributes: Attributes, type: number): Hex | undefined {
  const value = attributes.nested(type).bytes(NFTA_DATA_VALUE)
  return value === undefined ? undefined : Buffer.from(value).toString('hex')
}

function registerOf(attributes: Attributes, type: number): Register | undefined {
  const register = attributes.u32be(type)
  return register === 1 || register === 2 || register === 3 || register === 4 ? register : undefined
}

/** The name of a number in one of the tables above; numbers are compared as signed 32 bits. */
function keyOf<K extends string>(table: Readonly<Record<K, number>>, value: number | undefined): K | undefined {
  const signed = value === undefined ? undefined : value | 0
  // The keys of these constant tables are exactly K.
  return (Object.keys(table) as K[]).find((key) => table[key] === signed)
}
