import { expect, it } from 'vitest'
import { ClosedStreams } from '../../../../src/shared/http2/closed-streams.ts'

it('tells resets from ends, and is lenient where it has forgotten', () => {
  const closed = new ClosedStreams(2)
  closed.rememberReset(1, 'us')
  closed.rememberReset(5, 'peer')
  expect([1, 3, 5, 7].map((id) => closed.whyClosed(id))).toEqual(['us', 'ended', 'peer', 'ended'])
  closed.rememberReset(9, 'us')
  expect([1, 3, 5, 7, 9].map((id) => closed.whyClosed(id))).toEqual(['forgotten', 'ended', 'peer', 'ended', 'us'])
})
