import { describe, expect, it } from 'vitest'
import { spiffeId } from '#shared/model'
import { judgeClient, judgeServer } from '#shared/pki'

const id = (trustDomain: string, serviceAccount: string): ReturnType<typeof spiffeId> =>
  spiffeId({ trustDomain, namespace: 'shop', serviceAccount })
const web = id('cluster.local', 'web')
const cart = id('cluster.local', 'cart')
const foreign = id('other.org', 'web')

describe("a client's check of a server", () => {
  it.each([
    ['the one that is expected', [web], [web], web],
    ['one of several that are expected', [cart], [web, cart], cart],
    ['any of its own names', [foreign, web], [web], web],
    ['another account', [cart], [web], undefined],
    ['the same account of another trust domain', [foreign], [web], undefined],
    ['anyone when nobody is expected', [web], [], undefined],
    ['a peer without a name', [], [web], undefined],
  ])('looks at %s', (_what, ids, accepted, peer) => {
    const verdict = judgeServer(ids, accepted)
    expect(verdict.kind === 'accepted' ? verdict.peer : undefined).toBe(peer)
  })
})

describe("a server's check of a client", () => {
  it.each([
    ['the same trust domain', [web], web],
    ['the first name when a later one is of the trust domain', [foreign, web], foreign],
    ['another trust domain', [foreign], undefined],
    ['a peer without a name', [], undefined],
  ])('looks at %s', (_what, ids, peer) => {
    const verdict = judgeClient(ids, cart)
    expect(verdict.kind === 'accepted' ? verdict.peer : undefined).toBe(peer)
  })

  it('tells who came and who was expected', () => {
    expect(judgeClient([foreign], cart)).toEqual({
      kind: 'refused',
      reason: 'peer is "spiffe://other.org/ns/shop/sa/web", expected trust domain cluster.local',
    })
  })
})
