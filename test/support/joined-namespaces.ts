import { isDeepStrictEqual } from 'node:util'
import { type IpAddress, ipFamily, parseCidr, parseIp } from '#shared/net'
import { createNetns, type Netns, Routes } from '#shared/sys'

/** A pod's namespace and one outside of it, joined by a cable (`eth0` at both ends), with IPv4 and IPv6. */
export interface JoinedNamespaces {
  readonly pod: Netns
  readonly outside: Netns
  readonly podIps: Readonly<Record<4 | 6, IpAddress>>
  readonly outsideIps: Readonly<Record<4 | 6, IpAddress>>
  close(): void
}

/** The pod's default route leads to `outside`. */
export async function joinNamespaces(): Promise<JoinedNamespaces> {
  const [pod, outside] = [createNetns(), createNetns()]
  const podIps = { 4: parseIp('10.77.0.2') as IpAddress, 6: parseIp('fd77::2') as IpAddress }
  const outsideIps = { 4: parseIp('10.77.0.1') as IpAddress, 6: parseIp('fd77::1') as IpAddress }
  new Routes(outside).addVeth({ name: 'eth0', peerName: 'eth0', peerNetns: pod })
  for (const [netns, ips] of [
    [pod, podIps],
    [outside, outsideIps],
  ] as const) {
    const routes = new Routes(netns)
    routes.setUp('lo')
    routes.setUp('eth0')
    routes.addAddress({ link: 'eth0', ip: ips[4], prefixBits: 24 })
    routes.addAddress({ link: 'eth0', ip: ips[6], prefixBits: 64 })
  }
  for (const [everything, via] of [
    ['0.0.0.0/0', outsideIps[4]],
    ['::/0', outsideIps[6]],
  ] as const) {
    const destination = parseCidr(everything)
    if (destination === undefined) throw new Error(everything)
    new Routes(pod).addRoute({ type: 'unicast', destination, via, link: 'eth0', table: 254 })
  }
  await untilUsable(pod, podIps[6])
  await untilUsable(outside, outsideIps[6])
  return {
    pod,
    outside,
    podIps,
    outsideIps,
    close() {
      pod.close()
      outside.close()
    },
  }
}

/** The kernel takes an address into use some time after it was added, once its link is ready. */
export async function untilUsable(netns: Netns, ip: IpAddress): Promise<void> {
  const own = parseCidr(ip)
  const routes = new Routes(netns)
  const isUsable = (): boolean =>
    routes.routes(ipFamily(ip)).some(({ type, destination }) => type === 'local' && isDeepStrictEqual(destination, own))
  while (!isUsable()) await new Promise((resolve) => setImmediate(resolve))
}
