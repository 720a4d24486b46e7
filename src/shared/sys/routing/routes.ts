import { isDeepStrictEqual } from 'node:util'
import { formatCidr, type IpFamily } from '#shared/net'
import { type Message, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL } from '../netlink/message.ts'
import { NetlinkError } from '../netlink/netlink-error.ts'
import { NETLINK_ROUTE, type NetlinkSocket, withNetlink } from '../netlink/socket.ts'
import type { Netns } from '../types.ts'
import { decodeAddress, encodeAddress } from './address-codec.ts'
import { decodeLink, encodeBridge, encodeLinkChange, encodeVeth } from './link-codec.ts'
import { decodeRoute, encodeRoute } from './route-codec.ts'
import { decodeMarkRule, encodeMarkRule } from './rule-codec.ts'
import type { InterfaceAddress, Link, MarkRule, Route, VethPair } from './types.ts'

const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTM_NEWADDR = 20
const RTM_DELADDR = 21
const RTM_GETADDR = 22
const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const RTM_GETROUTE = 26
const RTM_NEWRULE = 32
const RTM_DELRULE = 33
const RTM_GETRULE = 34

const CREATE_NEW = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK
const AF_UNSPEC = 0
const families = { 4: 2, 6: 10 } as const
/** What the kernel says when the thing to be removed is not there. */
const GONE: readonly string[] = ['ENODEV', 'ENOENT', 'ESRCH', 'EADDRNOTAVAIL']

/**
 * Interfaces, addresses, routes and policy rules of one namespace, over netlink, IPv4 and IPv6 alike. Adding what is
 * already there exactly so, and removing what is not there, does nothing; adding what is there differently is refused
 * with EEXIST. All calls are synchronous and throw MeshError `NETLINK_REJECTED` or `SYSCALL_FAILED`.
 */
export class Routes {
  readonly #netns: Netns

  constructor(netns: Netns) {
    this.#netns = netns
  }

  links(): Link[] {
    return this.#use(listLinks)
  }

  /** An interface of that name counts as the pair: from here it cannot be told what its other end is. */
  addVeth(pair: VethPair): void {
    this.#use((socket) => {
      if (listLinks(socket).some(({ name }) => name === pair.name)) return
      send(socket, `add link ${pair.name}`, RTM_NEWLINK, CREATE_NEW, encodeVeth(pair))
    })
  }

  addBridge(name: string): void {
    this.#use((socket) => {
      if (listLinks(socket).some((link) => link.name === name)) return
      send(socket, `add bridge ${name}`, RTM_NEWLINK, CREATE_NEW, encodeBridge(name))
    })
  }

  /** Removes the interface; of a veth pair both ends. */
  removeLink(name: string): void {
    this.#use((socket) => {
      const link = listLinks(socket).find((found) => found.name === name)
      if (link === undefined) return
      unlessGone(() => send(socket, `delete link ${name}`, RTM_DELLINK, NLM_F_ACK, encodeLinkChange(link.index, {})))
    })
  }

  setUp(name: string): void {
    this.#changeLink(`set ${name} up`, name, () => ({ isUp: true }))
  }

  /** Makes `name` a port of the bridge `master`. */
  setMaster(name: string, master: string): void {
    this.#changeLink(`make ${name} a port of ${master}`, name, (indexOf) => ({ master: indexOf(master) }))
  }

  addresses(): InterfaceAddress[] {
    return this.#use(listAddresses)
  }

  /** IPv6 addresses are usable at once: they are not probed for duplicates. */
  addAddress(address: InterfaceAddress): void {
    const what = `add address ${address.ip}/${address.prefixBits} to ${address.link}`
    this.#use((socket) =>
      unlessEqual(address, listAddresses, socket, () =>
        send(socket, what, RTM_NEWADDR, CREATE_NEW, encodeAddress(address, indexOf(socket, address.link))),
      ),
    )
  }

  removeAddress(address: InterfaceAddress): void {
    const what = `delete address ${address.ip}/${address.prefixBits} of ${address.link}`
    this.#use((socket) =>
      unlessGone(() =>
        send(socket, what, RTM_DELADDR, NLM_F_ACK, encodeAddress(address, indexOf(socket, address.link))),
      ),
    )
  }

  routes(family: IpFamily): Route[] {
    return this.#use((socket) => listRoutes(socket, family))
  }

  addRoute(route: Route): void {
    this.#use((socket) =>
      unlessEqual(
        route,
        (open) => listRoutes(open, route.destination.family),
        socket,
        () => sendRoute(socket, 'add', route),
      ),
    )
  }

  removeRoute(route: Route): void {
    this.#use((socket) => unlessGone(() => sendRoute(socket, 'delete', route)))
  }

  /** Rules that look at a mark; others are left out. */
  markRules(family: IpFamily): MarkRule[] {
    return this.#use((socket) => listRules(socket, family))
  }

  addMarkRule(rule: MarkRule): void {
    this.#use((socket) =>
      unlessEqual(
        rule,
        (open) => listRules(open, rule.family),
        socket,
        () => send(socket, `add ${ruleText(rule)}`, RTM_NEWRULE, CREATE_NEW, encodeMarkRule(rule)),
      ),
    )
  }

  removeMarkRule(rule: MarkRule): void {
    this.#use((socket) =>
      unlessGone(() => send(socket, `delete ${ruleText(rule)}`, RTM_DELRULE, NLM_F_ACK, encodeMarkRule(rule))),
    )
  }

  #changeLink(what: string, name: string, change: (find: (name: string) => number) => LinkChange): void {
    this.#use((socket) => {
      const find = (link: string): number => indexOf(socket, link)
      send(socket, what, RTM_NEWLINK, NLM_F_ACK, encodeLinkChange(find(name), change(find)))
    })
  }

  #use<T>(work: (socket: NetlinkSocket) => T): T {
    return withNetlink(this.#netns, NETLINK_ROUTE, work)
  }
}

type LinkChange = Parameters<typeof encodeLinkChange>[1]

function send(socket: NetlinkSocket, what: string, type: number, flags: number, body: Uint8Array): void {
  socket.request([{ what, type, flags, body }])
}

function sendRoute(socket: NetlinkSocket, act: 'add' | 'delete', route: Route): void {
  const target = `${formatCidr(route.destination)} in table ${route.table}`
  const body = encodeRoute(route, route.link === undefined ? undefined : indexOf(socket, route.link))
  send(
    socket,
    `${act} route ${target}`,
    act === 'add' ? RTM_NEWROUTE : RTM_DELROUTE,
    act === 'add' ? CREATE_NEW : NLM_F_ACK,
    body,
  )
}

function ruleText({ family, mark, mask, table }: MarkRule): string {
  return `IPv${family} rule for mark 0x${mark.toString(16)}/0x${mask.toString(16)} to table ${table}`
}

/** @throws MeshError `NETLINK_REJECTED` when there is no such interface */
function indexOf(socket: NetlinkSocket, name: string): number {
  const link = listLinks(socket).find((found) => found.name === name)
  if (link === undefined) throw new NetlinkError(`find interface ${name}`, 'ENODEV')
  return link.index
}

function dump(socket: NetlinkSocket, what: string, type: number, family: number, headerBytes: number): Message[] {
  const body = new Uint8Array(headerBytes)
  body[0] = family
  return socket.dump({ what: `list ${what}`, type, flags: 0, body })
}

function listLinks(socket: NetlinkSocket): Link[] {
  return dump(socket, 'links', RTM_GETLINK, AF_UNSPEC, 16).map(({ body }) => decodeLink(body))
}

function listAddresses(socket: NetlinkSocket): InterfaceAddress[] {
  const names = namesByIndex(socket)
  return dump(socket, 'addresses', RTM_GETADDR, AF_UNSPEC, 8).flatMap(({ body }) => decodeAddress(body, names) ?? [])
}

function listRoutes(socket: NetlinkSocket, family: IpFamily): Route[] {
  const names = namesByIndex(socket)
  return dump(socket, 'routes', RTM_GETROUTE, families[family], 12).flatMap(
    ({ body }) => decodeRoute(body, names) ?? [],
  )
}

function listRules(socket: NetlinkSocket, family: IpFamily): MarkRule[] {
  return dump(socket, 'rules', RTM_GETRULE, families[family], 12).flatMap(({ body }) => decodeMarkRule(body) ?? [])
}

function namesByIndex(socket: NetlinkSocket): ReadonlyMap<number, string> {
  return new Map(listLinks(socket).map(({ index, name }) => [index, name]))
}

/** Takes EEXIST for done when what is there is what was wanted. */
function unlessEqual<T>(wanted: T, list: (socket: NetlinkSocket) => T[], socket: NetlinkSocket, add: () => void): void {
  try {
    add()
  } catch (error) {
    const isThere = error instanceof NetlinkError && error.errno === 'EEXIST'
    if (!isThere || !list(socket).some((found) => isDeepStrictEqual(found, wanted))) throw error
  }
}

function unlessGone(remove: () => void): void {
  try {
    remove()
  } catch (error) {
    if (!(error instanceof NetlinkError) || !GONE.includes(error.errno)) throw error
  }
}
