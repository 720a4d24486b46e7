import { describe, expect, it } from 'vitest'
import { parseLabelSelector } from '../../../../../src/local/apiserver/selectors/index.ts'

const labels = { app: 'cart', tier: 'back', count: '5', 'istio.io/rev': '', constructor: 'x' }

describe('a label selector', () => {
  it.each<[string, boolean]>([
    ['', true],
    ['app=cart', true],
    ['app==cart', true],
    ['app = cart', true],
    ['app=web', false],
    ['app!=web', true],
    ['app!=cart', false],
    ['other!=x', true],
    ['app', true],
    ['other', false],
    ['!other', true],
    ['!app', false],
    ['app in (cart, web)', true],
    ['app in (web)', false],
    ['app notin (web)', true],
    ['other notin (web)', true],
    ['app notin (cart)', false],
    ['istio.io/rev=', true],
    ['istio.io/rev', true],
    ['count>4', true],
    ['count>5', false],
    ['count<6', true],
    ['app>1', false],
    ['app=cart,tier in (back,front),!other', true],
    ['app=cart,tier=front', false],
    ['toString', false],
    ['constructor=x', true],
  ])('%j takes the object: %j', (text, isTaken) => {
    expect(parseLabelSelector(text)(labels)).toBe(isTaken)
  })

  it('takes objects without labels when it asks for none', () => {
    expect(parseLabelSelector('!a,b!=c')(undefined)).toBe(true)
    expect(parseLabelSelector('a')(undefined)).toBe(false)
  })

  it.each(['=a', 'a=b=c', 'a in b', 'a in (', 'a,,b', 'a b', 'a=b c', 'a>x', '-a', 'a/b/c=d', 'a=$', ','])(
    'that reads %j is refused',
    (text) => {
      expect(() => parseLabelSelector(text)).toThrow(/label selector|requirement/)
    },
  )
})
