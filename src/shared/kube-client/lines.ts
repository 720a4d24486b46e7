import { MeshError } from '#shared/errors'

const NEWLINE = 0x0a

/** Cuts a stream of bytes into its lines; what is not yet a whole line is kept, up to a limit. */
export class Lines {
  readonly #maxBytes: number
  #parts: Uint8Array[] = []
  #heldBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * The lines that end in `chunk`, without their ends; empty ones are left out.
   * @throws MeshError `KUBE_API_UNREACHABLE` when a line is longer than allowed
   */
  *push(chunk: Uint8Array): Generator<string> {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const line = this.#take(chunk.subarray(from, end))
      from = end + 1
      if (line !== '') yield line
    }
    if (from < chunk.length) this.#hold(chunk.subarray(from))
  }

  #take(last: Uint8Array): string {
    this.#hold(last)
    const line = Buffer.concat(this.#parts, this.#heldBytes).toString('utf8').trimEnd()
    this.#parts = []
    this.#heldBytes = 0
    return line
  }

  #hold(part: Uint8Array): void {
    this.#heldBytes += part.length
    if (this.#heldBytes > this.#maxBytes)
      throw new MeshError('KUBE_API_UNREACHABLE', `an event of the API server is longer than ${this.#maxBytes} bytes`)
    this.#parts.push(part)
  }
}
