import { MeshError } from '#shared/errors'
import { H2ErrorCode } from './types.ts'

/**
 * What a peer did wrong (RFC 9113 §5.4). `connection` ends everything with GOAWAY; `stream` ends one stream with
 * RST_STREAM. It does not leave this room: owners are told by `onReset` and `onClosed`.
 */
export class H2Error extends MeshError {
  readonly scope: 'connection' | 'stream'
  readonly h2Code: H2ErrorCode

  constructor(scope: 'connection' | 'stream', h2Code: H2ErrorCode, message: string) {
    super(h2Code === H2ErrorCode.ENHANCE_YOUR_CALM ? 'HTTP2_LIMIT_EXCEEDED' : 'HTTP2_PROTOCOL_ERROR', message)
    this.scope = scope
    this.h2Code = h2Code
  }
}

export function connectionError(code: H2ErrorCode, message: string): H2Error {
  return new H2Error('connection', code, message)
}

export function streamError(code: H2ErrorCode, message: string): H2Error {
  return new H2Error('stream', code, message)
}
