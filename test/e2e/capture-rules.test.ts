import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formatSocketAddress, type IpAddress, parseCidr, parseIp } from '#shared/net'
import {
  connectFrom,
  type DialOptions,
  listenIn,
  type Netns,
  Nftables,
  originalDestination,
  type Route,
  Routes,
} from '#shared/sys'
import {
  applyRedirect,
  type CaptureMode,
  findDrift,
  isRedirected,
  removeRedirect,
} from '../../src/node-agent/redirect/index.ts'
import { type JoinedNamespaces, joinNamespaces, untilUsable } from '../support/joined-namespaces.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { fdOf } from '../support/socket-fd.ts'

const TUNNEL_MARK = 0x539
const ip = (text: string): IpAddress => parseIp(text) as IpAddress
const captured: CaptureMode = { inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] }

describe.runIf(requirePrivileges())('the redirect of a pod', () => {
  let joined: JoinedNamespaces
  let servers: Server[]

  beforeEach(async () => {
    joined = await joinNamespaces()
    servers = []
    for (const port of [15001, 15006, 15008, 15053]) {
      await serve(joined.pod, port, `tunnel ${port}`, { mark: TUNNEL_MARK, transparent: true })
    }
    await serve(joined.pod, 8080, 'app')
    await serve(joined.outside, 80, 'outside')
  })

  afterEach(() => {
    for (const server of servers) server.close()
    joined.close()
  })

  /** Answers each connection with who took it, for which destination, and from whom. */
  async function serve(
    netns: Netns,
    port: number,
    name: string,
    options: { mark?: number; transparent?: boolean } = {},
  ) {
    const server = createServer((socket: Socket) => {
      const { ip: to, port: toPort } = originalDestination(fdOf(socket))
      socket.on('error', () => undefined)
      socket.end(
        `${name} for ${formatSocketAddress({ ip: to, port: toPort })} from ${parseIp(socket.remoteAddress ?? '')}`,
      )
    })
    servers.push(server)
    server.listen({ fd: listenIn(netns, { ip: ip('::'), port, ...options }) })
    await once(server, 'listening')
  }

  async function ask(from: Netns, target: IpAddress, port: number, options: DialOptions = {}): Promise<string> {
    const socket = connectFrom(from, { ip: target, port }, options).setEncoding('utf8')
    let text = ''
    for await (const chunk of socket) text += chunk
    socket.end()
    return text
  }

  const at = (address: IpAddress, port: number): string => formatSocketAddress({ ip: address, port })

  describe.each([4, 6] as const)('of IPv%i', (family) => {
    const loopback = family === 4 ? ip('127.0.0.1') : ip('::1')
    const faraway = family === 4 ? ip('192.0.2.9') : ip('2001:db8::9')

    it('takes what the pod sends out to 15001, with its destination', async () => {
      applyRedirect(joined.pod, captured)
      const { pod, podIps } = joined
      expect(await ask(pod, faraway, 443)).toBe(`tunnel 15001 for ${at(faraway, 443)} from ${podIps[family]}`)
    })

    it('takes what comes in to 15006, with its destination and its source', async () => {
      applyRedirect(joined.pod, captured)
      const { outside, outsideIps, podIps } = joined
      expect(await ask(outside, podIps[family], 8080)).toBe(
        `tunnel 15006 for ${at(podIps[family], 8080)} from ${outsideIps[family]}`,
      )
    })

    it('leaves 15008 to whoever listens there', async () => {
      applyRedirect(joined.pod, captured)
      const { outside, outsideIps, podIps } = joined
      expect(await ask(outside, podIps[family], 15008)).toBe(
        `tunnel 15008 for ${at(podIps[family], 15008)} from ${outsideIps[family]}`,
      )
    })

    it('lets the tunnel’s own connections out', async () => {
      applyRedirect(joined.pod, captured)
      const { pod, outsideIps, podIps } = joined
      expect(await ask(pod, outsideIps[family], 80, { mark: TUNNEL_MARK })).toBe(
        `outside for ${at(outsideIps[family], 80)} from ${podIps[family]}`,
      )
    })

    it('lets the tunnel speak to the app from the client’s address, and brings the answers back to it', async () => {
      applyRedirect(joined.pod, captured)
      const { pod, outsideIps, podIps } = joined
      for (const source of [outsideIps[family], faraway]) {
        expect(await ask(pod, podIps[family], 8080, { mark: TUNNEL_MARK, source })).toBe(
          `app for ${at(podIps[family], 8080)} from ${source}`,
        )
      }
    })

    it('does not take what the pod says to itself', async () => {
      applyRedirect(joined.pod, captured)
      const { pod, podIps } = joined
      for (const own of [podIps[family], loopback]) {
        expect(await ask(pod, own, 8080)).toBe(`app for ${at(own, 8080)} from ${own}`)
      }
    })

    it('lets the kubelet’s probes through to the app, answers included', async () => {
      applyRedirect(joined.pod, captured)
      const { outside, podIps } = joined
      const source = family === 4 ? ip('169.254.7.127') : ip('fd16:9254:7127:1337:ffff:ffff:ffff:ffff')
      new Routes(outside).addAddress({ link: 'eth0', ip: source, prefixBits: family === 4 ? 32 : 128 })
      await untilUsable(outside, source)
      expect(await ask(outside, podIps[family], 8080, { source })).toBe(
        `app for ${at(podIps[family], 8080)} from ${source}`,
      )
    })

    it('takes nothing that comes in when inbound is bypassed, and still all that goes out', async () => {
      applyRedirect(joined.pod, { ...captured, inbound: 'bypassed' })
      const { pod, outside, outsideIps, podIps } = joined
      expect(await ask(outside, podIps[family], 8080)).toMatch(/^app /)
      expect(await ask(pod, outsideIps[family], 80)).toMatch(/^tunnel 15001 /)
    })

    it('treats what comes in by a virtual interface as outbound', async () => {
      applyRedirect(joined.pod, { ...captured, virtualInterfaces: ['eth0'] })
      const { outside, podIps } = joined
      expect(await ask(outside, podIps[family], 8080)).toMatch(/^tunnel 15001 /)
    })

    it('takes DNS over TCP to 15053 when DNS is captured, but not the tunnel’s', async () => {
      await serve(joined.outside, 53, 'resolver')
      applyRedirect(joined.pod, { ...captured, isDnsCaptured: true })
      const { pod, outsideIps } = joined
      expect(await ask(pod, outsideIps[family], 53)).toMatch(/^tunnel 15053 /)
      expect(await ask(pod, outsideIps[family], 53, { mark: TUNNEL_MARK })).toMatch(/^resolver /)
    })

    it('takes DNS over UDP to 15053 when DNS is captured', async () => {
      applyRedirect(joined.pod, { ...captured, isDnsCaptured: true })
      const script = `
        const [loopback, faraway, type] = process.argv.slice(1)
        const server = require('dgram').createSocket(type)
        server.on('message', (_, peer) => server.send('answer of 15053', peer.port, peer.address))
        server.bind(15053, loopback, () => {
          const client = require('dgram').createSocket(type)
          client.on('message', (answer, peer) => { console.log(answer + ' as ' + peer.address); process.exit() })
          client.send('query', 53, faraway)
        })`
      const args = ['-e', script, loopback, faraway, family === 4 ? 'udp4' : 'udp6']
      const child = joined.pod.run(() => execFile(process.execPath, args, { timeout: 10_000 }))
      const [chunk] = await once(child.stdout ?? child, 'data')
      expect(String(chunk)).toBe(`answer of 15053 as ${faraway}\n`)
    })
  })

  it('is not there before it is applied, and says what is missing', () => {
    expect(isRedirected(joined.pod)).toBe(false)
    expect(findDrift(joined.pod, captured).found).toEqual([
      'table ambit is missing',
      'the IPv4 rule for table 100 is missing',
      'the IPv6 rule for table 100 is missing',
      'the route 0.0.0.0/0 in table 100 is missing',
      'the route ::/0 in table 100 is missing',
    ])
  })

  it('changes nothing when it is applied again', () => {
    expect(applyRedirect(joined.pod, captured)).toHaveLength(5)
    expect(applyRedirect(joined.pod, captured)).toEqual([])
    expect(findDrift(joined.pod, captured).found).toEqual([])
    expect(isRedirected(joined.pod)).toBe(true)
  })

  it('is put in the place of another mode', () => {
    applyRedirect(joined.pod, { inbound: 'bypassed', isDnsCaptured: true, virtualInterfaces: ['tap0'] })
    expect(applyRedirect(joined.pod, captured)).toEqual([
      'chain nat-prerouting differs',
      'chain nat-output differs',
      'chain raw-prerouting differs',
      'chain raw-output differs',
    ])
    expect(findDrift(joined.pod, captured).found).toEqual([])
  })

  it('notices a rule that is gone and puts it back', async () => {
    applyRedirect(joined.pod, captured)
    const nftables = new Nftables(joined.pod)
    const table = nftables.read('inet', 'ambit')
    if (table === undefined) throw new Error('no table')
    const chains = table.chains.map((chain) =>
      chain.name === 'nat-output' ? { ...chain, rules: chain.rules.slice(0, -2) } : chain,
    )
    nftables.replace({ ...table, chains })
    expect(await ask(joined.pod, joined.outsideIps[4], 80)).toMatch(/^outside /)
    expect(findDrift(joined.pod, captured).found).toEqual(['chain nat-output differs'])
    expect(applyRedirect(joined.pod, captured)).toEqual(['chain nat-output differs'])
    expect(await ask(joined.pod, joined.outsideIps[4], 80)).toMatch(/^tunnel 15001 /)
  })

  it('notices a missing route and a missing rule, and puts them back', () => {
    applyRedirect(joined.pod, captured)
    const routes = new Routes(joined.pod)
    const destination = parseCidr('0.0.0.0/0')
    if (destination === undefined) throw new Error('no cidr')
    routes.removeRoute({ type: 'local', destination, via: undefined, link: 'lo', table: 100 })
    routes.removeMarkRule({ family: 6, priority: 32_764, mark: 0x111, mask: 0xfff, table: 100 })
    const drift = ['the IPv6 rule for table 100 is missing', 'the route 0.0.0.0/0 in table 100 is missing']
    expect(applyRedirect(joined.pod, captured)).toEqual(drift)
    expect(findDrift(joined.pod, captured).found).toEqual([])
  })

  it('takes back what it has added when the kernel refuses the rest, and leaves what was there', () => {
    const destination = parseCidr('::/0')
    if (destination === undefined) throw new Error('no cidr')
    const inTheWay: Route = { type: 'unreachable', destination, via: undefined, link: undefined, table: 100 }
    new Routes(joined.pod).addRoute(inTheWay)
    const before = stateOf(joined.pod)
    expect(() => applyRedirect(joined.pod, captured)).toThrow(expect.objectContaining({ code: 'NETLINK_REJECTED' }))
    expect(stateOf(joined.pod)).toEqual(before)
  })

  it('leaves the namespace as it was when it is removed, and does so twice', async () => {
    const before = stateOf(joined.pod)
    applyRedirect(joined.pod, { ...captured, isDnsCaptured: true })
    removeRedirect(joined.pod)
    expect(stateOf(joined.pod)).toEqual(before)
    removeRedirect(joined.pod)
    expect(stateOf(joined.pod)).toEqual(before)
    expect(await ask(joined.pod, joined.outsideIps[4], 80)).toMatch(/^outside /)
  })

  it('does without IPv6 in a pod that has it switched off', async () => {
    joined.pod.run(() => writeFileSync('/proc/sys/net/ipv6/conf/lo/disable_ipv6', '1'))
    applyRedirect(joined.pod, captured)
    expect(new Routes(joined.pod).markRules(6)).toEqual([])
    expect(await ask(joined.pod, ip('192.0.2.9'), 443)).toMatch(/^tunnel 15001 /)
  })

  /** Everything that the redirect may touch; the kernel adds link-local routes to other tables when it likes. */
  function stateOf(netns: Netns): unknown {
    const routes = new Routes(netns)
    const routing = ([4, 6] as const).map((family) => [
      routes.markRules(family),
      routes.routes(family).filter(({ table }) => table === 100),
    ])
    return [new Nftables(netns).names('inet'), ...routing]
  }
})
