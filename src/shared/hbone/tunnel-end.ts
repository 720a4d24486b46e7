import type { H2Stream, H2StreamHandler, HeaderList } from '#shared/http2'

/** What carries a tunnel's bytes from and to its stream, on either side. */
export interface TunnelEnd extends H2StreamHandler {
  /** Before anything can come on the stream. */
  attach(stream: H2Stream): void
  /** Client: the final answer's header. */
  onAnswer: ((headers: HeaderList, isEnd: boolean) => void) | undefined
  /** The stream has gone before anybody took it over. */
  onLost: ((code: number, reason: string) => void) | undefined
  /** RST_STREAM CANCEL. */
  abort(): void
}

/** An end that its owner uses from the answer on; what it is carried by may have to go with it. */
export interface OwnedTunnelEnd extends TunnelEnd {
  /** It was broken off, by either side or by us: what has not gone by now need not go any more. */
  onBrokenOff: (() => void) | undefined
}
