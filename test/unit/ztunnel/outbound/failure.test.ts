import { describe, expect, it } from 'vitest'
import { type ErrorCode, MeshError } from '#shared/errors'
import { outboundFailure } from '../../../../src/ztunnel/outbound/failure.ts'

describe('outboundFailure', () => {
  it.each<[ErrorCode, string, string]>([
    [
      'UPSTREAM_CONNECT_TIMEOUT',
      'connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: why',
      'NETWORK_POLICY',
    ],
    ['UPSTREAM_CONNECT_FAILED', 'io error: why', 'CONNECT'],
    ['PEER_UNVERIFIED', 'io error: why', 'CONNECT'],
    ['TUNNEL_HANDSHAKE_FAILED', 'io error: why', 'CONNECT'],
    ['TUNNEL_HANDSHAKE_TIMEOUT', 'io error: why', 'CONNECT'],
    ['TUNNEL_REFUSED', 'why', 'CONNECT'],
    ['TUNNEL_LOST', 'h2 failed: why', 'H2_HANDSHAKE_FAILURE'],
    ['TUNNEL_ANSWER_TIMEOUT', 'h2 failed: why', 'H2_HANDSHAKE_FAILURE'],
    ['CERTIFICATE_UNAVAILABLE', 'identity error: why', 'IDENTITY_ERROR'],
  ])('%s is told as %j with flag %s', (code, error, flag) => {
    expect(outboundFailure(new MeshError(code, 'why'), 15_008)).toEqual({ error, flag })
  })

  it('tells of a bug as an input/output error, without losing its text', () => {
    expect(outboundFailure('odd', 15_008)).toEqual({ error: 'io error: odd', flag: 'CONNECT' })
  })
})
