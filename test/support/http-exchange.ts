import type { BodySink, BodySource, Fields } from '../../src/waypoint/codec/index.ts'

/** Takes a body whole, or as far as it is told to. */
export class BodyCollector implements BodySink {
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined
  readonly #done = Promise.withResolvers<{ readonly body: Buffer; readonly trailers: Fields | undefined }>()
  readonly #pieces: Buffer[] = []
  receivedBytes = 0
  /** Takes no more until it is let on. */
  isHolding: boolean

  constructor(isHolding = false) {
    this.isHolding = isHolding
    this.#done.promise.catch(() => {})
  }

  /** Rejects with what broke it off. */
  get whole(): Promise<{ readonly body: Buffer; readonly trailers: Fields | undefined }> {
    return this.#done.promise
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)))
    this.receivedBytes += end - start
    return !this.isHolding
  }

  end(trailers: Fields | undefined): void {
    this.#done.resolve({ body: Buffer.concat(this.#pieces), trailers })
  }

  abort(error: Error): void {
    this.#done.reject(error)
  }

  letOn(): void {
    this.isHolding = false
    this.onDrain?.()
  }
}

export async function bodyOf(
  source: BodySource,
): Promise<{ readonly text: string; readonly trailers: [string, string][] }> {
  const collector = new BodyCollector()
  source.pipe(collector)
  const { body, trailers } = await collector.whole
  return { text: body.toString('latin1'), trailers: pairsOf(trailers) }
}

export function pairsOf(fields: Fields | undefined): [string, string][] {
  const pairs: [string, string][] = []
  fields?.forEach((name, value) => void pairs.push([name, value]))
  return pairs
}

/** Writes all of it to a sink, as fast as that takes it, and ends it. */
export async function sendBody(
  sink: BodySink,
  bytes: Uint8Array,
  trailers?: Fields,
  pieceBytes = 16_384,
): Promise<void> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    if (sink.write(bytes, at, Math.min(at + pieceBytes, bytes.length))) continue
    await new Promise<void>((resolve) => {
      sink.onDrain = resolve
    })
  }
  sink.end(trailers)
}
