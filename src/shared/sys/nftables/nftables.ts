import { Attributes, attribute, concat, nested, readList, text, u32be } from '../netlink/attributes.ts'
import { type Message, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, type Request } from '../netlink/message.ts'
import { NetlinkError } from '../netlink/netlink-error.ts'
import { NETLINK_NETFILTER, type NetlinkSocket, withNetlink } from '../netlink/socket.ts'
import type { Netns } from '../types.ts'
import { decodeExpression, encodeExpression } from './expression-codec.ts'
import type { NftBaseChain, NftChain, NftFamily, NftHook, NftRule, NftTable } from './table.ts'

const NFNL_MSG_BATCH_BEGIN = 16
const NFNL_MSG_BATCH_END = 17
const NFNL_SUBSYS_NFTABLES = 10

const NFT_MSG_NEWTABLE = 0
const NFT_MSG_GETTABLE = 1
const NFT_MSG_DELTABLE = 2
const NFT_MSG_NEWCHAIN = 3
const NFT_MSG_GETCHAIN = 4
const NFT_MSG_NEWRULE = 6
const NFT_MSG_GETRULE = 7

const NFTA_TABLE_NAME = 1
const NFTA_CHAIN_TABLE = 1
const NFTA_CHAIN_NAME = 3
const NFTA_CHAIN_HOOK = 4
const NFTA_CHAIN_POLICY = 5
const NFTA_CHAIN_TYPE = 7
const NFTA_HOOK_HOOKNUM = 1
const NFTA_HOOK_PRIORITY = 2
const NFTA_RULE_TABLE = 1
const NFTA_RULE_CHAIN = 2
const NFTA_RULE_EXPRESSIONS = 4
const NFTA_RULE_USERDATA = 7
/** Type byte of the comment in a rule's user data, as the `nft` tool writes and shows it. */
const UDATA_RULE_COMMENT = 0
const MAX_COMMENT_BYTES = 128

const families: Readonly<Record<NftFamily, number>> = { inet: 1, ip: 2, ip6: 10 }
const hooks: readonly NftHook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting']
const policies: readonly NftBaseChain['policy'][] = ['drop', 'accept']
const NFGENMSG_BYTES = 4

const tableActs = {
  create: { message: NFT_MSG_NEWTABLE, flags: NLM_F_CREATE | NLM_F_EXCL },
  add: { message: NFT_MSG_NEWTABLE, flags: NLM_F_CREATE },
  delete: { message: NFT_MSG_DELTABLE, flags: 0 },
} as const

/**
 * nf_tables of one namespace, over netlink. Every change is one transaction of the kernel: all of it holds, or nothing
 * changed. All calls are synchronous and throw MeshError `NETLINK_REJECTED` or `SYSCALL_FAILED`.
 */
export class Nftables {
  readonly #netns: Netns

  constructor(netns: Netns) {
    this.#netns = netns
  }

  /** Puts `table` there as described, in place of one of the same name, without a moment between. */
  replace(table: NftTable): void {
    const content = [...chainRequests(table), ...ruleRequests(table)]
    try {
      this.#commit([tableRequest('create', table), ...content])
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.errno !== 'EEXIST') throw error
      // Deleting makes the kernel wait until no packet uses the old rules (about 20 ms), so it is only done here.
      this.#commit([
        tableRequest('add', table),
        tableRequest('delete', table),
        tableRequest('create', table),
        ...content,
      ])
    }
  }

  /** Does nothing when there is no such table. */
  remove(family: NftFamily, name: string): void {
    // Created first, for deleting what is not there would be refused.
    this.#commit([tableRequest('add', { family, name }), tableRequest('delete', { family, name })])
  }

  /** The table as it is now; undefined when there is none of that name. */
  read(family: NftFamily, name: string): NftTable | undefined {
    return withNetlink(this.#netns, NETLINK_NETFILTER, (socket) => {
      const list = (what: string, message: number, key: number): Attributes[] =>
        dump(socket, family, `list ${what} of table ${name}`, message).filter((found) => found.text(key) === name)
      if (list('table', NFT_MSG_GETTABLE, NFTA_TABLE_NAME).length === 0) return undefined
      const rules = list('rules', NFT_MSG_GETRULE, NFTA_RULE_TABLE)
      const chains = list('chains', NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE).map((chain) => readChain(chain, rules))
      return { family, name, chains }
    })
  }

  /** Names of the tables of that family, sorted. */
  names(family: NftFamily): string[] {
    return withNetlink(this.#netns, NETLINK_NETFILTER, (socket) =>
      dump(socket, family, 'list tables', NFT_MSG_GETTABLE)
        .map((table) => table.text(NFTA_TABLE_NAME) ?? '')
        .sort(),
    )
  }

  #commit(requests: readonly Request[]): void {
    withNetlink(this.#netns, NETLINK_NETFILTER, (socket) =>
      socket.request([batchMark('begin', NFNL_MSG_BATCH_BEGIN), ...requests, batchMark('end', NFNL_MSG_BATCH_END)]),
    )
  }
}

function dump(socket: NetlinkSocket, family: NftFamily, what: string, message: number): Attributes[] {
  return socket
    .dump(request(what, message, family, 0))
    .filter(({ body }) => body[0] === families[family])
    .map(({ body }: Message) => new Attributes(body.subarray(NFGENMSG_BYTES)))
}

/** `add` takes a table that is there already, `create` does not. */
function tableRequest(act: keyof typeof tableActs, { family, name }: Pick<NftTable, 'family' | 'name'>): Request {
  const { message, flags } = tableActs[act]
  return request(`${act} table ${name}`, message, family, flags | NLM_F_ACK, text(NFTA_TABLE_NAME, name))
}

function chainRequests({ family, name, chains }: NftTable): Request[] {
  return chains.map((chain) =>
    request(
      `add chain ${chain.name} to table ${name}`,
      NFT_MSG_NEWCHAIN,
      family,
      NLM_F_CREATE | NLM_F_ACK,
      text(NFTA_CHAIN_TABLE, name),
      text(NFTA_CHAIN_NAME, chain.name),
      ...(chain.base === undefined ? [] : baseAttributes(chain.base)),
    ),
  )
}

function baseAttributes({ type, hook, priority, policy }: NftBaseChain): Uint8Array[] {
  return [
    nested(NFTA_CHAIN_HOOK, u32be(NFTA_HOOK_HOOKNUM, hooks.indexOf(hook)), u32be(NFTA_HOOK_PRIORITY, priority)),
    u32be(NFTA_CHAIN_POLICY, policies.indexOf(policy)),
    text(NFTA_CHAIN_TYPE, type),
  ]
}

function ruleRequests({ family, name, chains }: NftTable): Request[] {
  return chains.flatMap((chain) =>
    chain.rules.map((rule, i) =>
      request(
        `add rule ${i + 1} (${rule.comment}) to chain ${chain.name} of table ${name}`,
        NFT_MSG_NEWRULE,
        family,
        NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK,
        text(NFTA_RULE_TABLE, name),
        text(NFTA_RULE_CHAIN, chain.name),
        nested(NFTA_RULE_EXPRESSIONS, ...rule.expressions.map(encodeExpression)),
        attribute(NFTA_RULE_USERDATA, userData(rule.comment)),
      ),
    ),
  )
}

function readChain(chain: Attributes, rules: readonly Attributes[]): NftChain {
  const name = chain.text(NFTA_CHAIN_NAME) ?? ''
  const own = rules.filter((rule) => rule.text(NFTA_RULE_CHAIN) === name)
  return { name, base: readBase(chain), rules: own.map(readRule) }
}

function readBase(chain: Attributes): NftBaseChain | undefined {
  const type = chain.text(NFTA_CHAIN_TYPE)
  if (type !== 'filter' && type !== 'nat' && type !== 'route') return undefined
  const place = chain.nested(NFTA_CHAIN_HOOK)
  const hook = hooks[place.u32be(NFTA_HOOK_HOOKNUM) ?? -1]
  const policy = policies[chain.u32be(NFTA_CHAIN_POLICY) ?? -1]
  if (hook === undefined || policy === undefined) return undefined
  return { type, hook, priority: (place.u32be(NFTA_HOOK_PRIORITY) ?? 0) | 0, policy }
}

function readRule(rule: Attributes): NftRule {
  const expressions = readList(rule.bytes(NFTA_RULE_EXPRESSIONS) ?? new Uint8Array())
  return {
    expressions: expressions.map(({ value }) => decodeExpression(value)),
    comment: readComment(rule.bytes(NFTA_RULE_USERDATA)),
  }
}

/** Type, length, text with its final zero. */
function userData(comment: string): Uint8Array {
  const bytes = Buffer.from(`${comment}\0`)
  if (bytes.length > MAX_COMMENT_BYTES) throw new RangeError(`a rule's comment is too long: ${comment}`)
  return concat([Uint8Array.of(UDATA_RULE_COMMENT, bytes.length), bytes])
}

function readComment(bytes: Uint8Array | undefined): string {
  if (bytes === undefined || bytes[0] !== UDATA_RULE_COMMENT) return ''
  return Buffer.from(bytes.subarray(2, 2 + (bytes[1] ?? 0)))
    .toString('utf8')
    .replace(/\0$/, '')
}

function batchMark(what: string, type: number): Request {
  return { what: `${what} the transaction`, type, flags: 0, body: nfgenmsg(0, NFNL_SUBSYS_NFTABLES) }
}

function request(what: string, message: number, family: NftFamily, flags: number, ...body: Uint8Array[]): Request {
  const type = (NFNL_SUBSYS_NFTABLES << 8) | message
  return { what, type, flags, body: concat([nfgenmsg(families[family], 0), ...body]) }
}

/** Family, version 0, and a resource id in network order. */
function nfgenmsg(family: number, resourceId: number): Uint8Array {
  return Uint8Array.of(family, 0, resourceId >> 8, resourceId & 0xff)
}
