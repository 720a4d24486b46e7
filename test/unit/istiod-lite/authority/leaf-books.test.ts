import { describe, expect, it } from 'vitest'
import { type IssuedLeaf, LeafBooks } from '../../../../src/istiod-lite/authority/leaf-books.ts'

const HOUR_MS = 3_600_000
const CONFIRM_MS = 30_000
const leaf = (change: Partial<IssuedLeaf> = {}): IssuedLeaf => ({
  holder: 'istio-system/ztunnel-a',
  id: 'spiffe://cluster.local/ns/shop/sa/web',
  revision: 1,
  notAfterMs: HOUR_MS,
  ...change,
})

describe('the books of issued leaves', () => {
  it('know a leaf until it ends', () => {
    const books = new LeafBooks()
    books.add(leaf(), 0)
    expect(books.groups(HOUR_MS - 1)).toEqual([{ revision: 1, untilMs: HOUR_MS, count: 1 }])
    expect(books.groups(HOUR_MS)).toEqual([])
  })

  it('keep a leaf that was renewed for as long as the answer may have been lost', () => {
    const books = new LeafBooks()
    books.add(leaf(), 0)
    books.add(leaf({ revision: 2 }), 1_000)
    const older = { revision: 1, untilMs: 1_000 + CONFIRM_MS, count: 1 }
    expect(books.groups(1_000)).toEqual([older, { revision: 2, untilMs: HOUR_MS, count: 1 }])
    expect(books.heldBefore(2, 1_000 + CONFIRM_MS)).toEqual([])
  })

  it('keep it longer when its holder asks again, which shows that the answer was lost', () => {
    const books = new LeafBooks()
    books.add(leaf(), 0)
    books.add(leaf({ revision: 2 }), 1_000)
    books.add(leaf({ revision: 2 }), 20_000)
    expect(books.heldBefore(2, 19_000 + CONFIRM_MS)).toMatchObject([{ revision: 1 }])
    expect(books.heldBefore(2, 20_000 + CONFIRM_MS)).toEqual([])
  })

  it('tell holders and identities apart', () => {
    const books = new LeafBooks()
    books.add(leaf(), 0)
    books.add(leaf({ revision: 2, holder: 'istio-system/ztunnel-b' }), 0)
    books.add(leaf({ revision: 2, id: 'spiffe://cluster.local/ns/shop/sa/cart' }), 0)
    expect(books.heldBefore(2, CONFIRM_MS)).toMatchObject([{ holder: 'istio-system/ztunnel-a' }])
  })

  it('do not grow by one holder that asks without end', () => {
    const books = new LeafBooks()
    for (let asked = 0; asked < 1_000; asked++) books.add(leaf({ notAfterMs: HOUR_MS + asked }), asked)
    expect(books.groups(1_000)[0]?.count).toBe(2)
  })

  it('know of the holders that are too many when the last leaf of theirs ends, by revision', () => {
    const books = new LeafBooks()
    for (let holder = 0; holder < 100_000; holder++) books.add(leaf({ holder: `${holder}`, notAfterMs: 10 }), 0)
    books.add(leaf({ holder: 'one more', notAfterMs: 50 }), 0)
    books.add(leaf({ holder: 'and another', notAfterMs: 40, revision: 2 }), 0)
    expect(books.groups(20)).toEqual([
      { revision: 1, untilMs: 50, count: 1 },
      { revision: 2, untilMs: 40, count: 1 },
    ])
  })
})
