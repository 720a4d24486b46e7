import { createHash, randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { MeshError, reasonOf } from '#shared/errors'
import { clientFrame, closePayload, FrameReader, OPCODE } from '#shared/web-socket'
import type { Transport } from './transport.ts'
import type { ChannelMessage, ChannelStream } from './types.ts'

/** RFC 6455 §1.3. */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
/** v5 of Kubernetes' channel protocols: a message to this channel names the channel that ends. */
const CLOSE_CHANNEL = 255
const V5 = 'v5.channel.k8s.io'
/** Bytes of one message; servers need not take longer ones. */
const CHUNK_BYTES = 32 << 10
/** Longest message taken. API servers send what their runtime reads at once: 32 KiB and less. */
const MAX_MESSAGE_BYTES = 16 << 20

/**
 * Opens a WebSocket whose messages begin with the number of a channel: exec, attach, port-forward.
 * @param protocols the best first
 * @throws as `Transport.json`
 */
export async function openChannels(
  transport: Transport,
  path: string,
  protocols: readonly string[],
  signal: AbortSignal,
): Promise<ChannelStream> {
  const key = randomBytes(16).toString('base64')
  const { headers, socket, head } = await transport.upgrade({
    method: 'GET',
    path,
    signal,
    upgrade: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': key,
      'sec-websocket-protocol': protocols.join(', '),
    },
  })
  const accepted = createHash('sha1')
    .update(key + ACCEPT_GUID)
    .digest('base64')
  const protocol = String(headers['sec-websocket-protocol'] ?? '')
  if (headers['sec-websocket-accept'] !== accepted || !protocols.includes(protocol)) {
    socket.destroy()
    throw new MeshError('KUBE_API_UNREACHABLE', `${path.split('?')[0]}: the server agreed to another protocol`)
  }
  return new Channels(socket, head, protocol)
}

class Channels implements ChannelStream {
  readonly #socket: Duplex
  readonly #protocol: string

  constructor(socket: Duplex, head: Buffer, protocol: string) {
    this.#socket = socket
    this.#protocol = protocol
    if (head.length > 0) socket.unshift(head)
    // Told to who reads the messages.
    socket.on('error', () => {})
  }

  async send(channel: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      await this.#write(clientFrame(OPCODE.binary, Buffer.from([channel]), bytes.subarray(at, at + CHUNK_BYTES)))
    }
  }

  async end(channel: number): Promise<boolean> {
    if (this.#protocol !== V5) return false
    await this.#write(clientFrame(OPCODE.binary, Buffer.from([CLOSE_CHANNEL, channel])))
    return true
  }

  async *messages(): AsyncGenerator<ChannelMessage> {
    const reader = new FrameReader({ from: 'server', maxMessageBytes: MAX_MESSAGE_BYTES })
    try {
      for await (const chunk of this.#socket) {
        for (const frame of reader.read(chunk as Buffer)) {
          if (frame.kind === 'close') return
          if (frame.kind === 'ping') await this.#write(clientFrame(OPCODE.pong, frame.payload))
          else if (frame.kind === 'message' && frame.payload.length > 1)
            yield { channel: frame.payload[0] ?? 0, payload: frame.payload.subarray(1) }
        }
      }
    } catch (cause) {
      if (cause instanceof MeshError) throw cause
      throw new MeshError('KUBE_API_UNREACHABLE', `the stream broke off: ${reasonOf(cause)}`, { cause })
    } finally {
      this.close()
    }
  }

  close(): void {
    if (this.#socket.destroyed) return
    // 1000: a normal end.
    this.#socket.end(clientFrame(OPCODE.close, closePayload(1000, '')), () => this.#socket.destroy())
  }

  /** Resolves when the connection takes more; also when it is gone, which the reader of messages is told. */
  #write(frame: Buffer): Promise<void> {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded || socket.write(frame)) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        socket.removeListener('drain', done)
        socket.removeListener('close', done)
        resolve()
      }
      socket.on('drain', done)
      socket.on('close', done)
    })
  }
}
