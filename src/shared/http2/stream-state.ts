/**
 * RFC 9113 §5.1 without `idle` (a stream that nobody opened is not there) and without the reserved states (nothing is
 * pushed):
 *
 *     open ──end sent──▶ halfClosedLocal ──end received──▶ closed
 *       └──end received──▶ halfClosedRemote ──end sent──▶ closed        any ──reset──▶ closed
 */
export type StreamState = 'open' | 'halfClosedLocal' | 'halfClosedRemote' | 'closed'
export type StreamEvent = 'endSent' | 'endReceived' | 'reset'

/** The state after `event`; undefined when that must not happen in `state`. */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState | undefined {
  switch (state) {
    case 'open':
      if (event === 'endSent') return 'halfClosedLocal'
      return event === 'endReceived' ? 'halfClosedRemote' : 'closed'
    case 'halfClosedLocal':
      return event === 'endSent' ? undefined : 'closed'
    case 'halfClosedRemote':
      return event === 'endReceived' ? undefined : 'closed'
    case 'closed':
      return undefined
  }
}
