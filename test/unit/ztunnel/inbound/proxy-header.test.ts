import { describe, expect, it } from 'vitest'
import { proxyHeader } from '../../../../src/ztunnel/inbound/proxy-header.ts'
import { identity, socket } from '../../../support/mesh-builder.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const ID = Buffer.from('spiffe://cluster.local/ns/a/sa/b').toString('hex')

describe('proxyHeader', () => {
  it.each([
    ['10.0.0.1:1000', '10.0.0.2:80', '2111', '0a0000010a00000203e80050'],
    ['[fd00::1]:1000', '[fd00::2]:80', '2121', `fd${'0'.repeat(29)}1fd${'0'.repeat(29)}203e80050`],
  ])('names %s, %s and the peer', (source, destination, kind, addresses) => {
    const header = proxyHeader({ source: socket(source), destination: socket(destination), peer: identity('a/b') })
    const payload = `${addresses}d00020${ID}`
    const length = (payload.length / 2).toString(16).padStart(4, '0')
    expect(header.toString('hex')).toBe(`${SIGNATURE}${kind}${length}${payload}`)
  })

  it('names no addresses when their families differ', () => {
    const header = proxyHeader({ source: socket('10.0.0.1:1'), destination: socket('[::1]:2'), peer: identity('a/b') })
    expect(header.toString('hex')).toBe(`${SIGNATURE}21000023d00020${ID}`)
  })
})
