import { describe, expect, it } from 'vitest'
import { addressKey, parseSpiffeId, spiffeId, spiffeParts, workloadIdentity } from '#shared/model'
import { identity, service, workload } from '../../../support/mesh-builder.ts'

describe('a SPIFFE id', () => {
  it('is read into its parts and put together again', () => {
    const parts = { trustDomain: 'td.example', namespace: 'shop', serviceAccount: 'web' }
    const id = spiffeId(parts)
    expect(id).toBe('spiffe://td.example/ns/shop/sa/web')
    expect(spiffeParts(id)).toEqual(parts)
    expect(parseSpiffeId(id)).toBe(id)
  })

  it.each([
    '',
    'spiffe://',
    'SPIFFE://td/ns/a/sa/b',
    'https://td/ns/a/sa/b',
    'spiffe:///ns/a/sa/b',
    'spiffe://td/ns//sa/b',
    'spiffe://td/ns/a/sa/',
    'spiffe://td/ns/a/sa',
    'spiffe://td/ns/a/sa/b/c',
    'spiffe://td/ns/a/sa/b/',
    'spiffe://td/sa/b/ns/a',
    'spiffe://td/ns/a/xx/b',
    `spiffe://td/ns/a/sa/${'b'.repeat(2048)}`,
  ])('is not %j', (text) => {
    expect(parseSpiffeId(text)).toBeUndefined()
  })

  it('is not made of parts that hold a slash or nothing', () => {
    for (const namespace of ['', 'a/b']) {
      expect(() => spiffeId({ trustDomain: 'td', namespace, serviceAccount: 'b' })).toThrow(/not a SPIFFE id/)
    }
  })
})

describe('the identity of a workload', () => {
  it('is made of its trust domain, namespace and account', () => {
    expect(workloadIdentity(workload({ name: 'a', namespace: 'shop', serviceAccount: 'web' }))).toBe(
      identity('shop/web'),
    )
  })

  it('is none while a part is missing', () => {
    expect(workloadIdentity(workload({ name: 'a', serviceAccount: '' }))).toBeUndefined()
    expect(workloadIdentity(workload({ name: 'a', trustDomain: '' }))).toBeUndefined()
  })
})

it('the key of an address resource is the uid of a workload, or namespace and host name of a service', () => {
  expect(addressKey({ kind: 'workload', workload: workload({ name: 'a' }) })).toBe('Kubernetes//Pod/default/a')
  expect(addressKey({ kind: 'service', service: service({ name: 'web' }) })).toBe(
    'default/web.default.svc.cluster.local',
  )
})
