import { MeshError } from '#shared/errors'

/**
 * `compression`: the block cannot be read and the dynamic table is lost, so the connection ends with
 * COMPRESSION_ERROR (RFC 9113 §4.3). `limit`: the block was read to its end and the table is in step, but it holds
 * more than we take; only its stream has to go.
 */
export type HpackErrorKind = 'compression' | 'limit'

export class HpackError extends MeshError {
  readonly kind: HpackErrorKind

  constructor(kind: HpackErrorKind, message: string) {
    super(kind === 'compression' ? 'HTTP2_PROTOCOL_ERROR' : 'HTTP2_LIMIT_EXCEEDED', message)
    this.kind = kind
  }
}
