import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { type IpAddress, parseCidr, parseIp } from '#shared/net'
import { connectFrom, createNetns, listenIn, type Netns, Routes } from '#shared/sys'

/** A pod as far as a test needs one: a namespace on the network's link, with one address of each family. */
export interface TestPod {
  readonly name: string
  readonly netns: Netns
  readonly ip: IpAddress
  readonly ip6: IpAddress
  /** A server in the pod, as an application would open it. */
  serve(port: number, onConnection: (socket: Socket) => void): Promise<Server>
  /** A connection that an application of the pod opens: not marked, so it is captured. */
  connect(address: string, port: number): Socket
  /** Ends its servers and lets go of its namespace, which goes with its last socket. */
  remove(): void
  /** Established connections to this port of the pod. */
  connectionsTo(port: number): number
}

/** Pods on one bridge, each in a namespace of its own; nothing of the machine's own network is touched. */
export class PodNetwork {
  /** What the pods' links are plugged into. */
  readonly fabric: Netns = createNetns()
  readonly #prefix: { readonly v4: string; readonly v6: string }
  readonly #open: { close(): unknown }[] = [this.fabric]
  #count = 0

  constructor(prefix: { readonly v4: string; readonly v6: string } = { v4: '10.77', v6: 'fd77' }) {
    this.#prefix = prefix
    const routes = new Routes(this.fabric)
    routes.addBridge('br0')
    routes.setUp('br0')
  }

  /** `10.77.0.n` and `fd77::n`, or below another prefix, in the order of their making, n from 1. */
  pod(name: string): TestPod {
    const n = ++this.#count
    const netns = createNetns()
    const servers: Server[] = []
    const remove = (): void => {
      for (const server of servers.splice(0)) server.close()
      netns.close()
    }
    this.#open.push({ close: remove })
    const fabric = new Routes(this.fabric)
    fabric.addVeth({ name: `p${n}`, peerName: 'eth0', peerNetns: netns })
    fabric.setMaster(`p${n}`, 'br0')
    fabric.setUp(`p${n}`)
    const inside = new Routes(netns)
    const { v4, v6 } = this.#prefix
    const ip = known(`${v4}.0.${n}`)
    const ip6 = known(`${v6}::${n.toString(16)}`)
    inside.setUp('lo')
    inside.addAddress({ link: 'eth0', ip, prefixBits: 16 })
    inside.addAddress({ link: 'eth0', ip: ip6, prefixBits: 64 })
    inside.setUp('eth0')
    // Service addresses need a way out of the pod before the redirect can take them.
    for (const [destination, via] of [
      ['0.0.0.0/0', `${v4}.255.254`],
      ['::/0', `${v6}::ffff`],
    ] as const) {
      const cidr = parseCidr(destination)
      if (cidr === undefined) throw new Error(destination)
      inside.addRoute({ type: 'unicast', destination: cidr, via: known(via), link: 'eth0', table: 254 })
    }
    return {
      name,
      netns,
      ip,
      ip6,
      serve: async (port, onConnection) => {
        const server = createServer({ allowHalfOpen: true }, (socket) => {
          socket.on('error', () => {})
          onConnection(socket)
        })
        servers.push(server)
        const fd = listenIn(netns, { ip: known('::'), port })
        await new Promise<void>((resolve) => server.listen({ fd }, resolve))
        return server
      },
      remove,
      connectionsTo: (port) => netns.run(() => establishedTo(port)),
      connect: (address, port) => connectFrom(netns, { ip: known(address), port }),
    }
  }

  close(): void {
    for (const one of this.#open.splice(0).reverse()) one.close()
  }
}

function known(text: string): IpAddress {
  const ip = parseIp(text)
  if (ip === undefined) throw new Error(`no address: ${text}`)
  return ip
}

/** As the namespace of this thread has them (proc_net_tcp(5)). */
function establishedTo(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return ['tcp', 'tcp6']
    .flatMap((table) => readFileSync(`/proc/thread-self/net/${table}`, 'utf8').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, address = '', , state]) => address.endsWith(local) && state === ESTABLISHED).length
}

const ESTABLISHED = '01'
