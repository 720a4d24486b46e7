import { describe, expect, it } from 'vitest'
import { type ErrorCode, MeshError } from '#shared/errors'
import type { RetryCondition } from '#shared/l7'
import { isRetriable, isUnsent, repeatsWork } from '../../../../src/waypoint/resilience/retry-decision.ts'
import { responseHead, retryPolicy } from './fakes.ts'

describe('isRetriable', () => {
  const answers: readonly [string, RetryCondition, number, readonly (readonly [string, string])[], boolean][] = [
    ['5xx means every status from 500', '5xx', 501, [], true],
    ['5xx does not mean 499', '5xx', 499, [], false],
    ['gateway-error means 502 to 504', 'gateway-error', 502, [], true],
    ['gateway-error means 502 to 504', 'gateway-error', 504, [], true],
    ['gateway-error does not mean 500', 'gateway-error', 500, [], false],
    ['gateway-error does not mean 505', 'gateway-error', 505, [], false],
    ['retriable-4xx means 409', 'retriable-4xx', 409, [], true],
    ['retriable-4xx means 409 only', 'retriable-4xx', 408, [], false],
    ['retriable-status-codes means those of the policy', 'retriable-status-codes', 418, [], true],
    ['retriable-status-codes means no others', 'retriable-status-codes', 503, [], false],
    ['reset means no answer', 'reset', 503, [], false],
    ['connect-failure means no answer', 'connect-failure', 503, [], false],
    ['retriable-headers names none', 'retriable-headers', 503, [], false],
    ['who is limited does not ask again', '5xx', 503, [['x-envoy-ratelimited', 'true']], false],
    ['unless that is said', 'envoy-ratelimited', 429, [['x-envoy-ratelimited', 'true']], true],
    ['cancelled', 'cancelled', 200, [['grpc-status', '1']], true],
    ['deadline-exceeded', 'deadline-exceeded', 200, [['grpc-status', '4']], true],
    ['resource-exhausted', 'resource-exhausted', 200, [['grpc-status', '8']], true],
    ['internal', 'internal', 200, [['grpc-status', '13']], true],
    ['unavailable', 'unavailable', 200, [['grpc-status', '14']], true],
    ['unavailable is another status than internal', 'unavailable', 200, [['grpc-status', '13']], false],
    ['a call that went well', 'unavailable', 200, [['grpc-status', '0']], false],
  ]
  it.each(answers)('answers: %s', (_what, condition, status, lines, expected) => {
    const policy = retryPolicy({ on: [condition], statusCodes: [418] })
    expect(isRetriable(policy, 'GET', { kind: 'answered', head: responseHead(status, lines) })).toBe(expected)
  })

  const failures: readonly [ErrorCode, string, readonly RetryCondition[]][] = [
    ['UPSTREAM_CONNECT_FAILED', 'POST', ['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure']],
    ['TUNNEL_REFUSED', 'POST', ['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure']],
    ['UPSTREAM_REFUSED_STREAM', 'POST', ['5xx', 'gateway-error', 'reset', 'refused-stream']],
    ['UPSTREAM_RESET', 'GET', ['5xx', 'gateway-error', 'reset']],
    ['UPSTREAM_TIMEOUT', 'GET', ['5xx', 'gateway-error', 'reset']],
    ['UPSTREAM_PROTOCOL', 'GET', ['5xx', 'gateway-error', 'reset']],
    [
      'UPSTREAM_RESET_BEFORE_REQUEST',
      'GET',
      ['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure'],
    ],
    ['UPSTREAM_RESET_BEFORE_REQUEST', 'POST', ['5xx', 'gateway-error', 'reset']],
    ['CERTIFICATE_UNAVAILABLE', 'GET', []],
    ['TUNNEL_POOL_UNAVAILABLE', 'GET', []],
  ]
  const all: readonly RetryCondition[] = [
    '5xx',
    'gateway-error',
    'reset',
    'reset-before-request',
    'connect-failure',
    'refused-stream',
    'retriable-4xx',
    'retriable-status-codes',
    'unavailable',
  ]
  it.each(failures)('%s of %s is met by its conditions and by no other', (code, method, conditions) => {
    const error = new MeshError(code, 'x')
    expect(all.filter((on) => isRetriable(retryPolicy({ on: [on] }), method, { kind: 'failed', error }))).toEqual(
      conditions,
    )
  })
})

describe('what has been worked on', () => {
  it.each([
    ['UPSTREAM_CONNECT_FAILED', true],
    ['TUNNEL_HANDSHAKE_TIMEOUT', true],
    ['UPSTREAM_REFUSED_STREAM', true],
    ['UPSTREAM_RESET', false],
    ['UPSTREAM_TIMEOUT', false],
  ] as const)('%s: unsent is %s', (code, expected) => {
    expect(isUnsent({ kind: 'failed', error: new MeshError(code, 'x') })).toBe(expected)
  })

  it.each([
    [['connect-failure', 'refused-stream', 'reset-before-request'], false, false],
    [['unavailable'], false, false],
    [['unavailable'], true, true],
    [['5xx'], false, true],
    [['retriable-status-codes'], false, false],
  ] as const)('%j with gRPC %s repeats work: %s', (on, isGrpc, expected) => {
    expect(repeatsWork(retryPolicy({ on }), isGrpc)).toBe(expected)
  })
})
