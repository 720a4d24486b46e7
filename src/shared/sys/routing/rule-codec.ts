import { attributesBehind, concat, u32 } from '../netlink/attributes.ts'
import { AF_INET, AF_INET6 } from '../sockaddr.ts'
import type { MarkRule } from './types.ts'

/** struct fib_rule_hdr: family, two prefix lengths, tos, table, two reserved, action (all u8), flags u32. */
const FIB_RULE_HDR_BYTES = 12
const FR_ACT_TO_TBL = 1
const FRA_PRIORITY = 6
const FRA_FWMARK = 10
const FRA_TABLE = 15
const FRA_FWMASK = 16
/** RT_TABLE_COMPAT: the number is in FRA_TABLE. */
const TABLE_IN_ATTRIBUTE = 252

export function encodeMarkRule({ family, priority, mark, mask, table }: MarkRule): Uint8Array {
  const header = new Uint8Array(FIB_RULE_HDR_BYTES)
  header[0] = family === 4 ? AF_INET : AF_INET6
  header[4] = Math.min(table, TABLE_IN_ATTRIBUTE)
  header[7] = FR_ACT_TO_TBL
  return concat([
    header,
    u32(FRA_PRIORITY, priority),
    u32(FRA_FWMARK, mark),
    u32(FRA_FWMASK, mask),
    u32(FRA_TABLE, table),
  ])
}

/** Undefined for a rule that looks at no mark or does not name a table. */
export function decodeMarkRule(body: Uint8Array): MarkRule | undefined {
  const attributes = attributesBehind(FIB_RULE_HDR_BYTES, body)
  const [mark, mask] = [attributes.u32(FRA_FWMARK), attributes.u32(FRA_FWMASK)]
  if (body[7] !== FR_ACT_TO_TBL || mark === undefined || mask === undefined) return undefined
  return {
    family: body[0] === AF_INET ? 4 : 6,
    priority: attributes.u32(FRA_PRIORITY) ?? 0,
    mark,
    mask,
    table: attributes.u32(FRA_TABLE) ?? body[4] ?? 0,
  }
}
