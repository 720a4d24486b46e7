import { isDeepStrictEqual } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Cidr, formatCidr, type IpAddress, parseCidr, parseIp } from '#shared/net'
import { createNetns, type MarkRule, type Netns, type Route, Routes } from '#shared/sys'
import { requirePrivileges } from '../../../support/privileges.ts'

const ip = (text: string): IpAddress => parseIp(text) as IpAddress
const cidr = (text: string): Cidr => parseCidr(text) as Cidr

describe.runIf(requirePrivileges())('links, addresses, routes and rules of a namespace', () => {
  let node: Netns
  let pod: Netns
  let atNode: Routes
  let atPod: Routes

  beforeEach(() => {
    node = createNetns()
    pod = createNetns()
    atNode = new Routes(node)
    atPod = new Routes(pod)
    atNode.addVeth({ name: 'veth0', peerName: 'eth0', peerNetns: pod, mtuBytes: 1400 })
  })

  afterEach(() => {
    node.close()
    pod.close()
  })

  it('joins two namespaces by a cable and plugs it into a bridge', () => {
    atNode.addVeth({ name: 'veth0', peerName: 'eth0', peerNetns: pod })
    atNode.addBridge('br0')
    atNode.addBridge('br0')
    atNode.setMaster('veth0', 'br0')
    for (const name of ['br0', 'veth0', 'lo']) atNode.setUp(name)
    atPod.setUp('eth0')
    const links = atNode.links()
    const bridge = links.find(({ name }) => name === 'br0')
    expect(links.find(({ name }) => name === 'veth0')).toMatchObject({
      isUp: true,
      master: bridge?.index,
      mtuBytes: 1400,
    })
    expect(links.find(({ name }) => name === 'lo')).toMatchObject({ index: 1, isUp: true, master: undefined })
    expect(atPod.links().map(({ name, isUp }) => `${name} ${isUp}`)).toEqual(['lo false', 'eth0 true'])
  })

  it('removes both ends of a cable, and nothing when there is none', () => {
    atNode.removeLink('veth0')
    atNode.removeLink('veth0')
    expect([atNode, atPod].map((routes) => routes.links().map(({ name }) => name))).toEqual([['lo'], ['lo']])
  })

  it('gives addresses that can be used at once, and takes them away', () => {
    const addresses = [
      { link: 'eth0', ip: ip('10.1.2.3'), prefixBits: 24 },
      { link: 'eth0', ip: ip('fd00:1::3'), prefixBits: 64 },
    ]
    for (const address of [...addresses, ...addresses]) atPod.addAddress(address)
    expect(atPod.addresses()).toEqual(addresses)
    for (const address of [...addresses, ...addresses]) atPod.removeAddress(address)
    expect(atPod.addresses()).toEqual([])
  })

  const routes: Route[] = [
    { type: 'unicast', destination: cidr('10.9.0.0/16'), via: undefined, link: 'eth0', table: 254 },
    { type: 'unicast', destination: cidr('10.8.0.0/16'), via: ip('10.1.2.1'), link: 'eth0', table: 254 },
    { type: 'unicast', destination: cidr('0.0.0.0/0'), via: ip('10.1.2.1'), link: 'eth0', table: 254 },
    { type: 'local', destination: cidr('0.0.0.0/0'), via: undefined, link: 'lo', table: 100 },
    { type: 'unreachable', destination: cidr('10.7.0.0/16'), via: undefined, link: undefined, table: 1000 },
    { type: 'unicast', destination: cidr('fd00:9::/64'), via: undefined, link: 'eth0', table: 254 },
    { type: 'unicast', destination: cidr('::/0'), via: ip('fd00:1::1'), link: 'eth0', table: 254 },
    { type: 'local', destination: cidr('::/0'), via: undefined, link: 'lo', table: 100 },
    { type: 'unreachable', destination: cidr('fd00:7::/64'), via: undefined, link: undefined, table: 1000 },
  ]

  it.each(routes.map((route) => ({ route, name: `${route.type} ${formatCidr(route.destination)} in ${route.table}` })))(
    'adds, lists and removes the route $name',
    ({ route }) => {
      atPod.setUp('lo')
      atPod.setUp('eth0')
      atPod.addAddress({ link: 'eth0', ip: ip('10.1.2.3'), prefixBits: 24 })
      atPod.addAddress({ link: 'eth0', ip: ip('fd00:1::3'), prefixBits: 64 })
      const { family } = route.destination
      // The kernel adds link-local routes of its own when it likes, so only equal ones are counted.
      const equal = (): Route[] => atPod.routes(family).filter((found) => isDeepStrictEqual(found, route))
      expect(equal()).toEqual([])
      atPod.addRoute(route)
      atPod.addRoute(route)
      expect(equal()).toHaveLength(1)
      atPod.removeRoute(route)
      atPod.removeRoute(route)
      expect(equal()).toEqual([])
    },
  )

  it.each([4, 6] as const)('adds, lists and removes a rule for marked IPv%i packets', (family) => {
    const rule: MarkRule = { family, priority: 32_764, mark: 0x111, mask: 0xfff, table: 100 }
    const far: MarkRule = { family, priority: 100, mark: 0x8000_0000, mask: 0xffff_ffff, table: 70_000 }
    for (const wanted of [rule, far, rule, far]) atPod.addMarkRule(wanted)
    expect(atPod.markRules(family)).toEqual([far, rule])
    for (const gone of [rule, far, rule, far]) atPod.removeMarkRule(gone)
    expect(atPod.markRules(family)).toEqual([])
  })

  it('refuses what is there in another form, naming it', () => {
    atPod.addAddress({ link: 'lo', ip: ip('10.1.2.3'), prefixBits: 24 })
    atPod.addAddress({ link: 'lo', ip: ip('10.2.2.3'), prefixBits: 24 })
    atPod.setUp('lo')
    const route: Route = {
      type: 'unicast',
      destination: cidr('10.9.0.0/16'),
      via: ip('10.1.2.1'),
      link: 'lo',
      table: 9,
    }
    atPod.addRoute(route)
    expect(() => atPod.addRoute({ ...route, via: ip('10.2.2.1') })).toThrow(
      expect.objectContaining({
        code: 'NETLINK_REJECTED',
        errno: 'EEXIST',
        request: 'add route 10.9.0.0/16 in table 9',
      }),
    )
  })

  it('says which interface is missing', () => {
    expect(() => atPod.setUp('eth7')).toThrow(
      expect.objectContaining({ request: 'find interface eth7', errno: 'ENODEV' }),
    )
  })
})
