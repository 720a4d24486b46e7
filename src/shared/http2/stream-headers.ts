import { streamError } from './h2-error.ts'
import { checkResponse, checkTrailers } from './header-rules.ts'
import type { Stream } from './stream.ts'
import { H2ErrorCode, type HeaderList } from './types.ts'

/**
 * A header block on an open stream: a client's interim or final response header, or either side's trailers (RFC 9113
 * §8.1).
 *
 * @throws H2Error of the stream when it is malformed or comes at the wrong time
 */
export function receiveHeaders(stream: Stream, headers: HeaderList, isEnd: boolean): void {
  if (!stream.isReceiving) throw streamError(H2ErrorCode.STREAM_CLOSED, 'HEADERS behind END_STREAM')
  if (stream.awaits === 'header') receiveResponse(stream, headers, isEnd)
  else receiveTrailers(stream, headers, isEnd)
}

function receiveResponse(stream: Stream, headers: HeaderList, isEnd: boolean): void {
  const { status, contentLength } = checkResponse(headers)
  if (status < 200) {
    if (isEnd) throw malformed('interim response with END_STREAM')
    stream.connection.guards.count('ignored')
    stream.handler?.onInformational?.(headers)
    return
  }
  stream.awaits = 'body'
  const isTunnel = stream.request.isConnect && status < 300
  // A length is announced, but no body comes, for HEAD and 304 (RFC 9113 §8.1.1).
  const hasBody = !stream.request.isHead && status !== 304 && !isTunnel
  stream.bytesToCome = hasBody ? contentLength : undefined
  if (isEnd && hasBody && contentLength !== undefined && contentLength > 0)
    throw malformed('no body for content-length')
  if (isEnd) stream.move('endReceived')
  stream.handler?.onHeaders?.(headers, isEnd)
  if (isEnd && !stream.wasReset) stream.handler?.onEnd(undefined)
}

function receiveTrailers(stream: Stream, headers: HeaderList, isEnd: boolean): void {
  // A connected tunnel carries DATA only (RFC 9113 §8.5).
  if (stream.request.isConnect) throw malformed('HEADERS in a tunnel')
  if (!isEnd) throw malformed('trailers without END_STREAM')
  checkTrailers(headers)
  if (stream.bytesToCome !== undefined && stream.bytesToCome > 0) throw malformed('body shorter than content-length')
  stream.move('endReceived')
  stream.handler?.onEnd(headers)
}

function malformed(what: string): Error {
  return streamError(H2ErrorCode.PROTOCOL_ERROR, what)
}
