import { MeshError } from '#shared/errors'
import { DEFAULT_TRAFFIC_POLICY, type RetryPolicy, type TrafficPolicy } from '#shared/l7'
import { Canceller } from '#shared/lifecycle'
import type {
  ActiveCluster,
  AttemptOutcome,
  Balancer,
  ClusterBackend,
  Endpoint,
  Picked,
  PickFacts,
  PickRefusal,
} from '../../../../src/waypoint/balance/index.ts'
import type {
  BodySink,
  BodySource,
  Exchange,
  Fields,
  RequestHead,
  ResponseHead,
  UpstreamExchange,
  UpstreamResponse,
} from '../../../../src/waypoint/codec/index.ts'
import { type Asked, Attempts, newCourse } from '../../../../src/waypoint/resilience/index.ts'
import type { RouteMatch } from '../../../../src/waypoint/route/index.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'

export class ListFields implements Fields {
  #lines: [string, string][]

  constructor(lines: readonly (readonly [string, string])[] = []) {
    this.#lines = lines.map(([name, value]) => [name, value])
  }

  get(name: string): string | undefined {
    return this.#lines.find(([key]) => key === name)?.[1]
  }

  values(name: string): readonly string[] {
    return this.#lines.flatMap(([key, value]) => (key === name ? [value] : []))
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  set(name: string, value: string): void {
    this.remove(name)
    this.add(name, value)
  }

  add(name: string, value: string): void {
    this.#lines.push([name, value])
  }

  remove(name: string): void {
    this.#lines = this.#lines.filter(([key]) => key !== name)
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (const [name, value] of this.#lines) visit(name, value)
  }

  copy(): Fields {
    return new ListFields(this.#lines)
  }
}

export function responseHead(status: number, lines: readonly (readonly [string, string])[] = []): ResponseHead {
  return { version: 'HTTP/1.1', status, fields: new ListFields(lines) }
}

/** A body that the test feeds. */
export class FedBody implements BodySource {
  readonly lengthBytes: number | undefined
  sink: BodySink | undefined
  isDiscarded = false
  isUnwanted = false
  drains = 0

  constructor(lengthBytes: number | undefined) {
    this.lengthBytes = lengthBytes
  }

  pipe(sink: BodySink): void {
    if (this.sink !== undefined) throw new Error('piped twice')
    this.sink = sink
    sink.onDrain = () => void this.drains++
    sink.onUnwanted = () => {
      this.isUnwanted = true
    }
    if (this.lengthBytes === 0) sink.end(undefined)
  }

  discard(): void {
    this.isDiscarded = true
  }

  feed(text: string): boolean {
    const bytes = Buffer.from(`<${text}>`)
    return this.sink?.write(bytes, 1, bytes.length - 1) ?? false
  }
}

export class SeenBody implements BodySink {
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined
  text = ''
  ends = 0
  aborted: MeshError | undefined
  /** What `write` answers. */
  hasRoom = true

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.ends > 0) throw new Error('written behind its end')
    this.text += Buffer.from(bytes.subarray(start, end)).toString('latin1')
    return this.hasRoom
  }

  end(): void {
    this.ends++
  }

  abort(error: MeshError): void {
    this.aborted = error
  }
}

/** One request that reached an endpoint; the test answers it. */
export class SentRequest implements UpstreamExchange {
  readonly body: SeenBody = new SeenBody()
  readonly response: Promise<UpstreamResponse>
  readonly answerBody: FedBody
  readonly head: RequestHead
  onInformational: ((head: ResponseHead) => void) | undefined
  isCancelled = false
  #resolve!: (response: UpstreamResponse) => void
  #reject!: (error: unknown) => void

  constructor(head: RequestHead) {
    this.head = { ...head, fields: head.fields.copy() }
    this.answerBody = new FedBody(undefined)
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  answer(status: number, lines: readonly (readonly [string, string])[] = []): void {
    this.#resolve({ head: responseHead(status, lines), body: this.answerBody })
  }

  fail(error: unknown): void {
    this.#reject(error)
  }

  cancel(): void {
    this.isCancelled = true
  }
}

export interface FakePick extends Picked {
  readonly facts: PickFacts
  readonly outcomes: AttemptOutcome[]
}

export const BACKEND: ClusterBackend = { kind: 'cluster', namespace: 'shop', hostname: 'cart', port: 80, subset: '' }

/** Counts as the real one does, and hands out endpoint after endpoint. */
export class FakeBalancer implements Pick<Balancer, 'pick'> {
  readonly cluster: { -readonly [K in keyof ActiveCluster]: ActiveCluster[K] }
  readonly picks: FakePick[] = []
  refusal: PickRefusal | undefined

  constructor(policy: Partial<TrafficPolicy> = {}) {
    const all = { ...DEFAULT_TRAFFIC_POLICY, ...policy }
    this.cluster = { backend: BACKEND, policy: all, activeRequests: 0, activeRetries: 0 }
  }

  pick(_backend: ClusterBackend, facts: PickFacts): Picked | PickRefusal {
    if (this.refusal !== undefined) return this.refusal
    const { cluster } = this
    cluster.activeRequests++
    const outcomes: AttemptOutcome[] = []
    const pick: FakePick = {
      cluster,
      endpoint: { name: `endpoint-${this.picks.length}` } as unknown as Endpoint, // only told apart here
      setCookie: undefined,
      facts: { ...facts, avoid: [...facts.avoid] },
      outcomes,
      done: (outcome) => {
        if (outcomes.length === 0) cluster.activeRequests--
        outcomes.push(outcome)
      },
    }
    this.picks.push(pick)
    return pick
  }
}

export interface FakeAsk {
  readonly method?: string
  readonly lines?: readonly (readonly [string, string])[]
  /** 0 = none. */
  readonly lengthBytes?: number | undefined
  readonly timeoutMs?: number
  readonly retry?: RetryPolicy | undefined
  readonly upgrade?: string
}

export function retryPolicy(changes: Partial<RetryPolicy> = {}): RetryPolicy {
  return {
    attempts: 2,
    on: ['5xx'],
    statusCodes: [],
    perTryTimeoutMs: undefined,
    backoff: { baseMs: 25, longestMs: 250 },
    avoidsPreviousHosts: true,
    usesRemoteLocalities: false,
    ...changes,
  }
}

/** A request with everything around it that `Attempts` knows. */
export class Rig {
  readonly clock: FakeClock = new FakeClock()
  readonly balancer: FakeBalancer
  readonly sent: SentRequest[] = []
  readonly attempts: Attempts
  /** Thrown instead of sending, one for each attempt. */
  readonly connectErrors: MeshError[] = []
  readonly informed: number[] = []

  constructor(policy: Partial<TrafficPolicy> = {}) {
    this.balancer = new FakeBalancer(policy)
    this.attempts = new Attempts({
      clock: this.clock,
      balancer: this.balancer,
      maxKeptBytes: 65_536,
      sendOnce: (_to, head) => {
        const error = this.connectErrors.shift()
        if (error !== undefined) return Promise.reject(error)
        const sent = new SentRequest(head)
        this.sent.push(sent)
        return sent
      },
    })
  }

  ask(of: FakeAsk = {}): Asked & { readonly body: FedBody; readonly canceller: Canceller } {
    const body = new FedBody('lengthBytes' in of ? of.lengthBytes : 0)
    const canceller = new Canceller()
    const request: RequestHead = {
      version: 'HTTP/1.1',
      method: of.method ?? 'GET',
      scheme: 'http',
      authority: 'cart',
      target: '/',
      upgrade: of.upgrade,
      fields: new ListFields(of.lines),
    }
    // Attempts use nothing else of an exchange.
    const exchange = {
      request,
      body,
      inform: (head: ResponseHead) => this.informed.push(head.status),
    } as unknown as Exchange
    const to: RouteMatch = {
      kind: 'match',
      rule: undefined,
      name: 'default',
      path: undefined,
      forward: {
        action: { rewrite: undefined, authority: '', persistence: undefined },
        backend: {
          to: BACKEND,
          weight: 1,
          requestHeaders: { set: [], add: [], remove: [] },
          responseHeaders: { set: [], add: [], remove: [] },
          authority: '',
        },
      },
      retry: 'retry' in of ? of.retry : retryPolicy(),
      timeoutMs: of.timeoutMs,
    }
    return { exchange, to, dialled: undefined, cancellation: canceller, course: newCourse(), body, canceller }
  }

  /** Lets what has happened sink in, then turns the time. */
  async advance(byMs: number): Promise<void> {
    await settle()
    await this.clock.advance(byMs)
  }

  outcomes(): string[] {
    return this.balancer.picks.map(({ outcomes }) => outcomes.map(({ kind }) => kind).join('+'))
  }
}

export const RESET: MeshError = new MeshError('UPSTREAM_RESET', 'reset')
export const CONNECT_FAILED: MeshError = new MeshError('UPSTREAM_CONNECT_FAILED', 'refused')
