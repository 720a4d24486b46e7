import type { Socket as DatagramSocket } from 'node:dgram'
import { createServer, type Server } from 'node:net'
import { TcpFrames, toTcpFrame } from '#shared/dns'
import type { IpAddress } from '#shared/net'
import { listenIn, type Netns, receiveIn } from '#shared/sys'

/** What a server does with a packet: the packets that it sends back. */
export type Answering = (packet: Buffer, transport: 'udp' | 'tcp') => readonly Uint8Array[]

/** A DNS server with answers of the test's own, on port 53 of an address in a namespace. */
export class NameServer {
  /** Every packet that has come. */
  readonly asked: { readonly packet: Buffer; readonly transport: 'udp' | 'tcp'; readonly port: number }[] = []
  answer: Answering
  readonly #datagrams: DatagramSocket
  readonly #server: Server

  constructor(netns: Netns, ip: IpAddress, answer: Answering) {
    this.answer = answer
    this.#datagrams = receiveIn(netns, { ip, port: 53 })
    this.#datagrams.on('message', (packet, { port, address }) => {
      this.asked.push({ packet, transport: 'udp', port })
      for (const reply of this.answer(packet, 'udp')) this.#datagrams.send(reply, port, address)
    })
    this.#server = createServer((socket) => {
      const frames = new TcpFrames()
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        for (const message of frames.push(chunk)) {
          const packet = Buffer.from(message)
          this.asked.push({ packet, transport: 'tcp', port: socket.remotePort ?? 0 })
          for (const reply of this.answer(packet, 'tcp')) socket.write(toTcpFrame(reply))
        }
      })
    }).listen({ fd: listenIn(netns, { ip, port: 53 }) })
  }

  close(): void {
    this.#datagrams.close()
    this.#server.close()
  }
}
