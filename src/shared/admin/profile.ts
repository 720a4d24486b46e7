import type { Session } from 'node:inspector/promises'
import type { Clock, Timer } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import { type AdminAnswer, type AdminRequest, type AdminRoutes, only } from './admin-server.ts'

const DEFAULT_SECONDS = 10
const MAX_SECONDS = 300
const DEFAULT_FREQUENCY_HZ = 100
const MAX_FREQUENCY_HZ = 1000

const PROFILE_USAGE = `usage: GET /debug/pprof/profile?seconds=<1..${MAX_SECONDS}>&frequency=<1..${MAX_FREQUENCY_HZ}>
answers with a V8 CPU profile (JSON; save it as <name>.cpuprofile and open it in Chrome DevTools or speedscope)
`
const HEAP_USAGE = `usage: GET /debug/pprof/heap/profiling?activate=<true|false>, then GET /debug/pprof/heap
answers with a V8 sampling heap profile (JSON; save it as <name>.heapprofile and open it in Chrome DevTools)
`

/** A page that is JSON of V8's own form, which is what Node can give; Istio's Rust proxy answers with pprof's. */
const JSON_TYPE = 'application/json'

/** Profiles of the running process, under the paths of Istio's ztunnel (hbone-and-ztunnel h.1). One at a time. */
export class Profiles implements Closer {
  readonly #clock: Clock
  /** Ends the running CPU profile at once. */
  #stopWaiting: (() => void) | undefined
  #heap: Session | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  routes(): AdminRoutes {
    return {
      '/debug/pprof/profile': only('GET', PROFILE_USAGE, (request) => this.#cpu(request)),
      '/debug/pprof/heap': only('GET', HEAP_USAGE, () => this.#heapProfile()),
      '/debug/pprof/heap/profiling': only('GET', HEAP_USAGE, (request) => this.#switchHeap(request)),
    }
  }

  /** A profile that is being taken ends now, and is answered with what it has. */
  async close(): Promise<void> {
    this.#stopWaiting?.()
    this.#heap?.disconnect()
    this.#heap = undefined
  }

  get #isWaiting(): boolean {
    return this.#stopWaiting !== undefined
  }

  async #cpu({ query }: AdminRequest): Promise<AdminAnswer> {
    if (this.#isWaiting) return { status: 409, body: 'another profile is being taken\n' }
    const seconds = wholeNumber(query.get('seconds'), DEFAULT_SECONDS, MAX_SECONDS)
    const frequency = wholeNumber(query.get('frequency'), DEFAULT_FREQUENCY_HZ, MAX_FREQUENCY_HZ)
    if (seconds === undefined || frequency === undefined) return { status: 400, body: PROFILE_USAGE }
    const waited = this.#wait(seconds * 1000)
    const session = await connect()
    try {
      await session.post('Profiler.enable')
      await session.post('Profiler.setSamplingInterval', { interval: Math.round(1_000_000 / frequency) })
      await session.post('Profiler.start')
      await waited
      const { profile } = await session.post('Profiler.stop')
      return { status: 200, contentType: JSON_TYPE, body: JSON.stringify(profile) }
    } finally {
      session.disconnect()
      this.#stopWaiting?.()
    }
  }

  #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer: Timer = this.#clock.setTimer(ms, () => this.#stopWaiting?.())
    this.#stopWaiting = () => {
      this.#stopWaiting = undefined
      timer.cancel()
      resolve()
    }
    return promise
  }

  async #switchHeap({ query }: AdminRequest): Promise<AdminAnswer> {
    const activate = query.get('activate')
    if (activate !== 'true' && activate !== 'false') return { status: 400, body: HEAP_USAGE }
    if (activate === 'false') {
      this.#heap?.disconnect()
      this.#heap = undefined
      return { status: 200, body: 'heap profiling is off\n' }
    }
    if (this.#heap === undefined) {
      const session = await connect()
      this.#heap = session
      await session.post('HeapProfiler.enable')
      await session.post('HeapProfiler.startSampling')
    }
    return { status: 200, body: 'heap profiling is on\n' }
  }

  async #heapProfile(): Promise<AdminAnswer> {
    if (this.#heap === undefined) return { status: 409, body: `heap profiling is off\n${HEAP_USAGE}` }
    const { profile } = await this.#heap.post('HeapProfiler.getSamplingProfile')
    return { status: 200, contentType: JSON_TYPE, body: JSON.stringify(profile) }
  }
}

/** To this process itself: no port is opened. Loaded only when somebody asks, as it takes memory. */
async function connect(): Promise<Session> {
  const { Session } = await import('node:inspector/promises')
  const session = new Session()
  session.connect()
  return session
}

function wholeNumber(text: string | null, absent: number, max: number): number | undefined {
  if (text === null) return absent
  const value = Number(text)
  return /^\d+$/.test(text) && value >= 1 && value <= max ? value : undefined
}
