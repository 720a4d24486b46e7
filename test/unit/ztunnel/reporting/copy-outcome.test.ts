import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { copyOutcome } from '../../../../src/ztunnel/reporting/index.ts'

const meter = { sentBytes: 0, receivedBytes: 0 }

describe('copyOutcome', () => {
  it.each([undefined, 'ECONNRESET', 'EPIPE', 'ENOTCONN'])('takes %s as an ordinary end', (code) => {
    const error = code === undefined ? undefined : Object.assign(new Error('gone'), { code })
    expect(copyOutcome({ meter, endedBy: 'opener', error })).toEqual({ error: undefined, flag: '-' })
  })

  it('takes anything else as a failure', () => {
    const error = new MeshError('TUNNEL_LOST', 'stream reset with code 2: cut')
    expect(copyOutcome({ meter, endedBy: 'target', error })).toEqual({
      error: 'io error: stream reset with code 2: cut',
      flag: 'CONNECT',
    })
  })
})
