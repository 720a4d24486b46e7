/**
 * A piece of pooled memory that several readers may hold at once. Whoever keeps it past a call retains it and
 * releases it once; the last release hands it back to its pool.
 */
export interface Slab {
  readonly buffer: Buffer
  /** Nobody but the asker holds it, so its bytes may be overwritten. */
  readonly isUnshared: boolean
  retain(): void
  release(): void
}

/** Between Buffers without making a view, which would be a small request's garbage. */
export function copyBytes(source: Uint8Array, start: number, end: number, target: Buffer, at: number): void {
  if (Buffer.isBuffer(source)) source.copy(target, at, start, end)
  else target.set(source.subarray(start, end), at)
}

/**
 * Node's `onread` option of net.Socket: `buffer` is asked before each read, `callback` told of `bytes` read into it;
 * returning false stops reading until `socket.resume()` or `read(0)`.
 */
export interface OnRead {
  readonly buffer: () => Uint8Array
  readonly callback: (bytes: number, buffer: Uint8Array) => boolean
}

/** Bytes carried so far, counted in place by whoever copies; read by metrics and dumps at any time. */
export interface ByteMeter {
  /** From the side that opened the connection. */
  sentBytes: number
  /** To the side that opened the connection. */
  receivedBytes: number
}

/** How a copy between two ends finished. */
export interface CopyResult {
  readonly meter: Readonly<ByteMeter>
  /** `end` = both sides finished; `detached` = both sockets were given away; otherwise who broke off first. */
  readonly endedBy: 'end' | 'opener' | 'target' | 'abort' | 'detached'
  /** Set when it was not a normal close. */
  readonly error: Error | undefined
}
