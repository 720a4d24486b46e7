import { describe, expect, it } from 'vitest'
import { parseName } from '#shared/dns'
import { candidateNames, wildcardsOf } from '../../../../src/ztunnel/dns/candidates.ts'

const DOMAIN = ['cluster', 'local']
const name = (text: string) => parseName(text) ?? []

describe('the names that a client may mean', () => {
  it.each([
    ['one label', 'web', ['web', 'web.shop.svc.cluster.local']],
    ['two labels', 'web.shop', ['web.shop', 'web.shop.svc.cluster.local', 'web.shop.shop.svc.cluster.local']],
    ['three labels', 'a.web.shop', ['a.web.shop', 'a.web.shop.svc.cluster.local']],
    [
      'three labels that end in svc',
      'web.shop.svc',
      ['web.shop.svc', 'web.shop.svc.cluster.local', 'web.shop.svc.svc.cluster.local'],
    ],
    ['four labels', 'a.b.web.shop', ['a.b.web.shop']],
    ['four labels that end in svc', 'a.web.shop.svc', ['a.web.shop.svc', 'a.web.shop.svc.cluster.local']],
    ['five labels', 'a.b.c.d.e', ['a.b.c.d.e']],
    [
      'a foreign name with the first search domain behind it',
      'example.com.shop.svc.cluster.local',
      [
        'example.com.shop.svc.cluster.local',
        'example.com',
        'example.com.svc.cluster.local',
        'example.com.shop',
        'example.com.shop.svc',
      ],
    ],
    [
      'a name with the second search domain behind it',
      'web.svc.cluster.local',
      [
        'web.svc.cluster.local',
        'web',
        'web.shop.svc.cluster.local',
        'web.svc',
        'web.svc.svc.cluster.local',
        'web.svc.shop.svc.cluster.local',
      ],
    ],
    [
      'a search domain itself, of which nothing would be left',
      'cluster.local',
      ['cluster.local', 'cluster.local.svc.cluster.local', 'cluster.local.shop.svc.cluster.local'],
    ],
  ])('of %s', (_, asked, expected) => {
    const found = candidateNames(name(asked), 'shop', DOMAIN)
    expect(found.map((candidate) => candidate.name.join('.'))).toEqual(expected)
  })

  it('are in the order of the reference: the name, its expansions, then the same without each search domain', () => {
    const found = candidateNames(name('web.shop.svc.cluster.local'), 'shop', DOMAIN)
    expect(found.map((candidate) => [candidate.name.join('.'), candidate.strippedTo?.join('.')])).toEqual([
      ['web.shop.svc.cluster.local', undefined],
      ['web', 'web'],
      ['web.shop', 'web.shop'],
      ['web.shop.shop.svc.cluster.local', 'web.shop'],
      ['web.shop.svc', 'web.shop.svc'],
      ['web.shop.svc.svc.cluster.local', 'web.shop.svc'],
    ])
  })

  it('are covered by wildcards from the most to the least special one, never by one for everything', () => {
    const text = (asked: string) => wildcardsOf(name(asked)).map((each) => each.join('.'))
    expect(text('a.b.c')).toEqual(['a.b.c', '*.b.c', '*.c'])
    expect(text('a')).toEqual(['a'])
  })
})
