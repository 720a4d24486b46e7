import { describe, expect, it } from 'vitest'
import { type ErrorCode, MeshError } from '#shared/errors'
import { spiffeId } from '#shared/model'
import type { IpAddress } from '#shared/net'
import { poolKeyText } from '../../../../src/shared/hbone/pool-key.ts'
import { describeRefusal, refusalStatus } from '../../../../src/shared/hbone/refuse.ts'
import type { PoolKey } from '../../../../src/shared/hbone/types.ts'

describe('a refusal', () => {
  it.each<[ErrorCode, number]>([
    ['HBONE_TARGET_INVALID', 400],
    ['CERTIFICATE_REFUSED', 401],
    ['CLIENT_UNVERIFIED', 401],
    ['UPSTREAM_CONNECT_FAILED', 503],
    ['UPSTREAM_CONNECT_TIMEOUT', 503],
    ['NOT_FOUND', 503],
    ['SYSCALL_FAILED', 503],
  ])('for %s is answered %i', (code, status) => {
    expect(refusalStatus(new MeshError(code, 'x'))).toBe(status)
  })

  it.each([
    ['401', 'http status: 401 Unauthorized'],
    ['503', 'http status: 503 Service Unavailable'],
    ['299', 'http status: 299'],
  ])('with %s is described as the reference does', (status, text) => {
    expect(describeRefusal(status)).toBe(text)
  })
})

describe('keys of pooled connections', () => {
  const id = (serviceAccount: string): PoolKey['source'] =>
    spiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount })
  const key: PoolKey = {
    source: id('web'),
    acceptedPeers: [id('cart'), id('spare')],
    destination: { ip: '10.0.0.7' as IpAddress, port: 15008 },
    workloadUid: 'Kubernetes//Pod/shop/cart',
    sourceIp: '10.0.0.1' as IpAddress,
  }

  it('are equal when all parts are', () => {
    expect(poolKeyText({ ...key, acceptedPeers: [...key.acceptedPeers] })).toBe(poolKeyText(key))
  })

  it.each<[string, Partial<PoolKey>]>([
    ['the source identity', { source: id('other') }],
    ['the order of accepted peers', { acceptedPeers: [id('spare'), id('cart')] }],
    ['the number of accepted peers', { acceptedPeers: [id('cart')] }],
    ['the destination address', { destination: { ip: '10.0.0.8' as IpAddress, port: 15008 } }],
    ['the destination port', { destination: { ip: '10.0.0.7' as IpAddress, port: 15009 } }],
    ['the workload behind the address', { workloadUid: 'Kubernetes//Pod/shop/other' }],
    ['the source address', { sourceIp: '10.0.0.2' as IpAddress }],
  ])('differ by %s', (_title, change) => {
    expect(poolKeyText({ ...key, ...change })).not.toBe(poolKeyText(key))
  })
})
