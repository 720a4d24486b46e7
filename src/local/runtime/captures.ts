import { request } from 'node:http'
import type { Clock, Timer } from '#shared/clock'
import { parseIp } from '#shared/net'
import { connectFrom, type Netns } from '#shared/sys'

const ADMIN_PORT = 15_000
const ISTIOD_MONITORING_PORT = 15_014
const ASK_TIMEOUT_MS = 2_000
/** A dump of a large mesh; past this it is no ztunnel that answers. */
const MAX_DUMP_BYTES = 256 << 20
const POLL_MS = 40
/** The dump of a large mesh takes its time; asking shall take no more than this part of the tunnel's. */
const MAX_ASKING_PART = 0.2

/** A page of the admin port of the tunnel in `netns`. @throws Error when it does not answer 200 */
export function askTunnel(netns: Netns, path: string): Promise<string> {
  return ask(netns, ADMIN_PORT, path)
}

/** A page of the monitoring port of the control plane in `netns`. @throws Error when it does not answer 200 */
export function askIstiod(netns: Netns, path: string): Promise<string> {
  return ask(netns, ISTIOD_MONITORING_PORT, path)
}

function ask(netns: Netns, port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const ip = parseIp('127.0.0.1')
    if (ip === undefined) throw new TypeError('127.0.0.1 is an address')
    const socket = connectFrom(netns, { ip, port })
    const asked = request(
      {
        createConnection: () => socket,
        path,
        headers: { host: 'localhost', connection: 'close' },
        timeout: ASK_TIMEOUT_MS,
      },
      (response) => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > MAX_DUMP_BYTES) response.destroy(new Error(`the answer to ${path} is too long`))
          else chunks.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () => {
          const body = Buffer.concat(chunks).toString()
          if (response.statusCode === 200) resolve(body)
          else reject(new Error(`${path} answered ${response.statusCode}: ${body.slice(0, 200)}`))
        })
      },
    )
    asked.on('timeout', () => asked.destroy(new Error(`no answer to ${path} in ${ASK_TIMEOUT_MS} ms`)))
    asked.on('error', reject)
    asked.end()
  })
}

/** Which pods the tunnel of one node serves, by asking it. Polls only while somebody waits. */
export class Captures {
  readonly #netns: Netns
  readonly #clock: Clock
  readonly #waiting = new Map<string, Set<() => void>>()
  #serving: ReadonlySet<string> = new Set()
  #timer: Timer | undefined
  #isAsking = false

  constructor(netns: Netns, clock: Clock) {
    this.#netns = netns
    this.#clock = clock
  }

  /** Pod uids whose listeners are up, fresh; empty while the tunnel does not answer. */
  async ask(): Promise<ReadonlySet<string>> {
    try {
      this.#serving = uidsUp(JSON.parse(await askTunnel(this.#netns, '/config_dump')))
    } catch {
      // Not up yet, or being restarted: then it serves nobody.
      this.#serving = new Set()
    }
    return this.#serving
  }

  /** Resolves when the tunnel serves the pod; rejects with the signal's reason. */
  serving(uid: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const waiting = this.#waiting.get(uid) ?? new Set()
      this.#waiting.set(uid, waiting)
      const done = (): void => {
        signal.removeEventListener('abort', aborted)
        resolve()
      }
      const aborted = (): void => {
        waiting.delete(done)
        if (waiting.size === 0) this.#waiting.delete(uid)
        reject(signal.reason)
      }
      waiting.add(done)
      signal.addEventListener('abort', aborted, { once: true })
      this.#poll()
    })
  }

  #poll(): void {
    if (this.#isAsking || this.#timer !== undefined || this.#waiting.size === 0) return
    this.#isAsking = true
    const startedMs = this.#clock.monotonicMs()
    void this.ask().then((serving) => {
      this.#isAsking = false
      const askedMs = this.#clock.monotonicMs() - startedMs
      for (const uid of serving) {
        const waiting = this.#waiting.get(uid)
        this.#waiting.delete(uid)
        for (const done of waiting ?? []) done()
      }
      if (this.#waiting.size === 0) return
      this.#timer = this.#clock.setTimer(Math.max(POLL_MS, askedMs / MAX_ASKING_PART), () => {
        this.#timer = undefined
        this.#poll()
      })
    })
  }
}

/** `workloadState` of a dump (hbone-and-ztunnel h.4). */
function uidsUp(dump: unknown): ReadonlySet<string> {
  const states = (dump as { readonly workloadState?: Readonly<Record<string, { readonly state?: string }>> })
    .workloadState
  return new Set(Object.entries(states ?? {}).flatMap(([uid, { state }]) => (state === 'Up' ? [uid] : [])))
}
