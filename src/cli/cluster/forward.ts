import { request } from 'node:http'
import { Duplex } from 'node:stream'
import { MeshError, reasonOf } from '#shared/errors'
import { type ApiObjectId, type ChannelStream, type KubeConnection, objectPath } from '#shared/kube-client'
import { POD, podQuery } from './pods.ts'

const PROTOCOLS = ['v4.channel.k8s.io']
const DATA = 0
const ERROR = 1
/** Each channel begins with its port. */
const PORT_BYTES = 2
const PAGE_TIMEOUT_MS = 10_000
/** A dump of a large mesh. */
const MAX_PAGE_BYTES = 256 << 20

/** A page of an HTTP server inside a pod, on the pod's own loopback. @throws MeshError when it does not answer 200 */
export async function podPage(
  connection: KubeConnection,
  pod: ApiObjectId,
  port: number,
  path: string,
): Promise<string> {
  const name = `${pod.namespace}/${pod.name}, port ${port}`
  const socket = await forwardPort(connection, pod, port)
  try {
    return await httpGet(socket, path)
  } catch (cause) {
    throw new MeshError('COMMAND_FAILED', `${path} of pod ${name}: ${reasonOf(cause)}`, { cause })
  } finally {
    socket.destroy()
  }
}

/** A connection to a port of a pod, through the API. */
async function forwardPort(connection: KubeConnection, pod: ApiObjectId, port: number): Promise<Duplex> {
  const ending = new AbortController()
  const path = `${objectPath(POD, pod, 'portforward')}?${podQuery({ ports: port })}`
  return new ForwardedPort(await connection.channels(path, PROTOCOLS, ending.signal))
}

class ForwardedPort extends Duplex {
  readonly #channels: ChannelStream
  #resume: (() => void) | undefined

  constructor(channels: ChannelStream) {
    super()
    this.#channels = channels
    this.#follow().catch((error) => this.destroy(error as Error))
  }

  override _read(): void {
    this.#resume?.()
    this.#resume = undefined
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#channels.send(DATA, chunk).then(() => done(), done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#channels.close()
    this.#resume?.()
    done(error)
  }

  async #follow(): Promise<void> {
    const skipped = new Map([DATA, ERROR].map((channel) => [channel, PORT_BYTES]))
    for await (const { channel, payload } of this.#channels.messages()) {
      const skip = Math.min(skipped.get(channel) ?? 0, payload.length)
      skipped.set(channel, (skipped.get(channel) ?? 0) - skip)
      const bytes = payload.subarray(skip)
      if (bytes.length === 0) continue
      if (channel === ERROR) throw new Error(bytes.toString().slice(0, 512))
      if (!this.push(bytes)) await new Promise<void>((resolve) => (this.#resume = resolve))
      if (this.destroyed) return
    }
    this.push(null)
  }
}

function httpGet(socket: Duplex, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => socket,
      path,
      headers: { host: 'localhost', connection: 'close' },
      timeout: PAGE_TIMEOUT_MS,
    })
    const timer = AbortSignal.timeout(PAGE_TIMEOUT_MS)
    timer.addEventListener('abort', () => asked.destroy(new Error(`no answer in ${PAGE_TIMEOUT_MS / 1000} s`)))
    socket.on('error', reject)
    asked.on('error', reject)
    asked.on('response', (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > MAX_PAGE_BYTES) response.destroy(new Error('the answer is too long'))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString()
        if (response.statusCode === 200) resolve(body)
        else reject(new Error(`answered with ${response.statusCode}: ${body.slice(0, 200)}`))
      })
    })
    asked.end()
  })
}
