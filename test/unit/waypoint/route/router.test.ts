import { describe, expect, it } from 'vitest'
import { DEFAULT_RETRY, type Routes, type TcpRule } from '#shared/l7'
import type { Exchange } from '../../../../src/waypoint/codec/index.ts'
import { Router } from '../../../../src/waypoint/route/index.ts'
import type { Destination } from '../../../../src/waypoint/state/index.ts'
import { cidr, ip, meshOf, service, workload } from '../../../support/mesh-builder.ts'
import { backend, exchangeOf, httpRule, innerConnection, requestHead } from '../../../support/waypoint-requests.ts'

const cart = service({ name: 'cart', namespace: 'shop' })
const pod = workload({ name: 'cart-1', namespace: 'shop', addresses: ['10.0.0.2'] })
const toCart: Destination = { kind: 'service', service: cart, port: 80, appProtocol: undefined }
const toPod: Destination = { kind: 'workload', workload: pod, port: 8080 }
const NOBODY = { peer: undefined, token: undefined }

const routerOf = (said: Partial<Routes> | undefined, random = 0): Router => {
  const routes = said && {
    namespace: 'shop',
    hostname: cart.hostname,
    port: 80,
    http: undefined,
    tcp: undefined,
    ...said,
  }
  const view = {
    mesh: meshOf([]),
    network: '',
    labelsOf: () => ({}),
    routes: (asked: unknown, port: number) => (asked === cart && port === 80 ? routes : undefined),
  }
  return new Router(view, () => random)
}

const exchangeTo = (destination: Destination): Exchange =>
  exchangeOf(requestHead(), undefined, innerConnection({ destination }))

const tcpRule = (name: string, matches: TcpRule['matches'] = []): TcpRule => ({
  origin: name,
  matches,
  backends: [backend(name)],
})

describe('a request', () => {
  it('to a port that nobody speaks of goes the default way, with the default retries', () => {
    const expected = {
      rule: undefined,
      name: 'default',
      retry: DEFAULT_RETRY,
      forward: {
        backend: { to: { kind: 'cluster', namespace: 'shop', hostname: cart.hostname, port: 80, subset: '' } },
      },
    }
    expect(routerOf(undefined).match(exchangeTo(toCart), NOBODY)).toMatchObject(expected)
    expect(routerOf({ tcp: [] }).match(exchangeTo(toCart), NOBODY)).toMatchObject(expected)
  })

  it('to a workload itself goes to that workload', () => {
    const expected = { name: 'default', forward: { backend: { to: { kind: 'workload', workload: pod, port: 8080 } } } }
    expect(routerOf({ http: [] }).match(exchangeTo(toPod), NOBODY)).toMatchObject(expected)
  })

  it('goes where its rules say', () => {
    expect(routerOf({ http: [httpRule('a')] }).match(exchangeTo(toCart), NOBODY)).toMatchObject({ name: 'a' })
    expect(routerOf({ http: [] }).match(exchangeTo(toCart), NOBODY)).toMatchObject({ kind: 'reply', status: 404 })
  })
})

describe('a connection that is not HTTP', () => {
  const hostOf = (rules: readonly TcpRule[] | undefined, sni?: string, address = '10.96.0.1'): string | undefined => {
    const to = routerOf({ tcp: rules }).matchStream(innerConnection({ destination: toCart }), sni, ip(address))
    return to?.kind === 'cluster' ? to.hostname : undefined
  }
  const names = (...sniHosts: string[]): TcpRule['matches'] => [{ sniHosts, destinations: [], source: undefined }]

  it('without rules goes to what was dialled', () => {
    expect(hostOf(undefined)).toBe(cart.hostname)
    expect(routerOf(undefined).matchStream(innerConnection({ destination: toPod }), undefined, undefined)).toEqual(
      toPod,
    )
  })

  it.each([
    ['a.example', 'a.example', true],
    ['a.example', 'A.Example', true],
    ['a.example', 'b.example', false],
    ['*.example', 'a.example', true],
    ['*.example', 'b.a.example', true],
    ['*.example', 'example', false],
    ['*.example', '.example', false],
    ['*', 'a', true],
    ['a.example', undefined, false],
    ['*', undefined, false],
  ])('for %s is taken by a rule for names: %s %s', (host, sni, expected) => {
    expect(hostOf([tcpRule('yes', names(host))], sni)).toBe(expected ? 'yes.shop' : undefined)
  })

  it('is taken by the first rule of which a match holds', () => {
    const rules = [
      tcpRule('none', names('x')),
      tcpRule('net', [...names('y'), { sniHosts: [], destinations: [cidr('10.96.0.0/24')], source: undefined }]),
      tcpRule('rest'),
    ]
    expect(hostOf(rules)).toBe('net.shop')
    expect(hostOf(rules, undefined, '10.97.0.1')).toBe('rest.shop')
  })

  it('is taken only from who it is for', () => {
    const source = { namespace: 'web', labels: {} }
    const rules = [tcpRule('web', [{ sniHosts: [], destinations: [], source }])]
    expect(hostOf(rules)).toBeUndefined()
    const connection = innerConnection({ destination: toCart, peer: 'spiffe://cluster.local/ns/web/sa/front' })
    expect(routerOf({ tcp: rules }).matchStream(connection, undefined, undefined)).toMatchObject({
      hostname: 'web.shop',
    })
  })

  it('is shared by weight', () => {
    const rules: TcpRule[] = [{ origin: '', matches: [], backends: [backend('a', 1), backend('b', 3)] }]
    const connection = innerConnection({ destination: toCart })
    expect(routerOf({ tcp: rules }, 0.24).matchStream(connection, undefined, undefined)).toMatchObject({
      hostname: 'a.shop',
    })
    expect(routerOf({ tcp: rules }, 0.25).matchStream(connection, undefined, undefined)).toMatchObject({
      hostname: 'b.shop',
    })
  })
})
