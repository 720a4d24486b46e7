import { describe, expect, it } from 'vitest'
import { nextStreamState, type StreamEvent, type StreamState } from '../../../../src/shared/http2/stream-state.ts'

describe('the states of a stream', () => {
  const rows: [StreamState, StreamEvent, StreamState | undefined][] = [
    ['open', 'endSent', 'halfClosedLocal'],
    ['open', 'endReceived', 'halfClosedRemote'],
    ['open', 'reset', 'closed'],
    ['halfClosedLocal', 'endSent', undefined],
    ['halfClosedLocal', 'endReceived', 'closed'],
    ['halfClosedLocal', 'reset', 'closed'],
    ['halfClosedRemote', 'endSent', 'closed'],
    ['halfClosedRemote', 'endReceived', undefined],
    ['halfClosedRemote', 'reset', 'closed'],
    ['closed', 'endSent', undefined],
    ['closed', 'endReceived', undefined],
    ['closed', 'reset', undefined],
  ]

  it.each(rows)('%s and %s make %s', (state, event, next) => {
    expect(nextStreamState(state, event)).toBe(next)
  })
})
