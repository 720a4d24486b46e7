import { MeshError } from '#shared/errors'
import type { Backend } from '#shared/l7'
import { Canceller } from '#shared/lifecycle'
import type { Balancer } from './balance/index.ts'
import type { BodySink, Fields, RequestHead } from './codec/index.ts'
import type { InnerConnection } from './listen/index.ts'
import type { Upstream } from './upstream/index.ts'

/** What nobody waits for may take that long. */
const MIRROR_TIMEOUT_MS = 15_000

/** Sends a copy and throws its answer away. */
export async function sendMirror(
  to: Backend,
  request: RequestHead,
  lengthBytes: number | undefined,
  parts: {
    readonly balancer: Balancer
    readonly upstream: Upstream
    readonly setTimer: (ms: number, fire: () => void) => { cancel(): void }
  },
): Promise<BodySink> {
  const picked =
    to.kind === 'failed'
      ? undefined
      : parts.balancer.pick(to, {
          exchange: { connection: NOBODY, request },
          avoid: [],
          isRetry: false,
          usesRemoteLocalities: false,
          dialled: undefined,
        })
  if (picked === undefined || typeof picked === 'string') {
    throw new MeshError('MIRROR_GIVEN_UP', `nobody takes the copy of a request: ${picked ?? 'failed backend'}`)
  }
  const late = new Canceller()
  try {
    const sent = await parts.upstream.send(picked, request, lengthBytes, late)
    const timer = parts.setTimer(MIRROR_TIMEOUT_MS, () => sent.cancel())
    const done = (): void => {
      timer.cancel()
      picked.done({ kind: 'given-up' })
    }
    sent.response.then(({ body }) => body.pipe(new Nowhere(done)), done)
    return sent.body
  } catch (error) {
    picked.done({ kind: 'given-up' })
    throw error
  }
}

/** Copies come from nobody: hashes of their source are those of no address. */
const NOBODY = { source: { ip: '0.0.0.0', port: 0 } } as unknown as InnerConnection

class Nowhere implements BodySink {
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined
  readonly #done: () => void

  constructor(done: () => void) {
    this.#done = done
  }

  write(): boolean {
    return true
  }

  end(_trailers: Fields | undefined): void {
    this.#done()
  }

  abort(): void {
    this.#done()
  }
}
