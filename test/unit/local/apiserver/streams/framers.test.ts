import { constants, deflateSync, inflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { DICTIONARY_ID, HEADER_DICTIONARY } from '../../../../../src/local/apiserver/streams/spdy/dictionary.ts'
import { encodeControl, SpdyReader } from '../../../../../src/local/apiserver/streams/spdy/frames.ts'
import { HeaderDecoder, HeaderEncoder } from '../../../../../src/local/apiserver/streams/spdy/header-block.ts'
import { answerHandshake } from '../../../../../src/local/apiserver/streams/websocket/handshake.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('WebSocket', () => {
  it('answers the hand-shake of RFC 6455 §1.3', () => {
    const request = {
      method: 'GET',
      headers: {
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'sec-websocket-protocol': 'other, v4.channel.k8s.io',
      },
    }
    const answer = answerHandshake(request as never, ['v5.channel.k8s.io', 'v4.channel.k8s.io'])
    expect(answer).toMatchObject({ kind: 'accepted', protocol: 'v4.channel.k8s.io' })
    expect(answer.kind === 'accepted' && answer.answer).toContain(
      'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n',
    )
  })

  it.each([
    { change: { 'sec-websocket-version': '8' }, problem: 'version 13' },
    { change: { 'sec-websocket-key': 'short' }, problem: 'Sec-WebSocket-Key' },
    { change: { 'sec-websocket-protocol': 'chat' }, problem: 'subprotocols' },
  ])('refuses the hand-shake with $change', ({ change, problem }) => {
    const headers = {
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-protocol': 'v4.channel.k8s.io',
      ...change,
    }
    expect(answerHandshake({ method: 'GET', headers } as never, ['v4.channel.k8s.io'])).toMatchObject({
      kind: 'refused',
      problem: expect.stringContaining(problem),
    })
  })
})

describe('SPDY', () => {
  it('has the dictionary of SPDY/3, byte for byte: its checksum names it', () => {
    let [a, b] = [1, 0]
    for (const byte of HEADER_DICTIONARY) {
      a = (a + byte) % 65_521
      b = (b + a) % 65_521
    }
    expect(((b * 65_536 + a) >>> 0).toString(16)).toBe(DICTIONARY_ID.toString(16))
  })

  it('writes empty header blocks that an inflater reads, one after the other', () => {
    const encoder = new HeaderEncoder()
    const wire = Buffer.concat([encoder.encodeEmpty(), encoder.encodeEmpty()])
    const plain = inflateSync(wire, { dictionary: HEADER_DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH })
    expect(plain).toEqual(Buffer.alloc(8))
  })

  it.each([
    { says: 'another version', frame: hex('8002 0006 00 000004 00000001'), problem: 'version 2' },
    { says: 'a short SYN_STREAM', frame: encodeControl(1, Buffer.alloc(9)), problem: 'too short' },
    { says: 'a short RST_STREAM', frame: encodeControl(3, Buffer.alloc(7)), problem: 'too short' },
    { says: 'a reply that nobody asked for', frame: encodeControl(2, Buffer.alloc(8)), problem: 'never opened' },
    { says: 'a long control frame', frame: hex('8003 0001 00 010001'), problem: 'too long' },
    { says: 'a long data frame', frame: hex('00000001 00 100001'), problem: 'too long' },
  ])('refuses $says', ({ frame, problem }) => {
    expect(() => new SpdyReader().read(frame)).toThrow(problem)
  })

  it('refuses a header block that inflates to more than 16 KiB', async () => {
    const bomb = deflateSync(Buffer.alloc(1_000_000), { dictionary: HEADER_DICTIONARY })
    await expect(new HeaderDecoder().decode(bomb)).rejects.toThrow('too long')
  })
})
