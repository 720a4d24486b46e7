import { constants, deflateSync, inflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { DICTIONARY_ID, HEADER_DICTIONARY } from '../../../../../src/local/apiserver/streams/spdy/dictionary.ts'
import { encodeControl, SpdyReader } from '../../../../../src/local/apiserver/streams/spdy/frames.ts'
import { HeaderDecoder, HeaderEncoder } from '../../../../../src/local/apiserver/streams/spdy/header-block.ts'
import { encodeClose, encodeFrame, FrameReader } from '../../../../../src/local/apiserver/streams/websocket/frames.ts'
import { answerHandshake } from '../../../../../src/local/apiserver/streams/websocket/handshake.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('WebSocket', () => {
  it.each([
    { says: 'is not masked', bytes: '82 01 00', problem: 'not masked' },
    { says: 'has a reserved bit', bytes: 'c2 80 00000000', problem: 'reserved bit' },
    { says: 'has an unknown opcode', bytes: '83 80 00000000', problem: 'opcode 3' },
    { says: 'is a ping in fragments', bytes: '09 80 00000000', problem: 'control frame' },
    { says: 'is a long ping', bytes: '89 fe 0080 00000000', problem: 'control frame' },
    { says: 'goes on with nothing', bytes: '80 80 00000000', problem: 'out of order' },
    { says: 'begins anew within a message', bytes: '02 80 00000000 02 80 00000000', problem: 'out of order' },
    { says: 'is longer than 1 MiB', bytes: '82 ff 0000000000100001 00000000', problem: 'too long' },
    { says: 'claims 2^63 bytes', bytes: '82 ff 8000000000000000 00000000', problem: 'too long' },
  ])('refuses a frame that $says', ({ bytes, problem }) => {
    expect(() => new FrameReader().read(hex(bytes))).toThrow(problem)
  })

  it('counts all fragments of a message', () => {
    const reader = new FrameReader()
    const fragment = (opcode: number): Buffer =>
      Buffer.concat([Buffer.from([opcode, 0xff, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0]), Buffer.alloc(512 * 1024)])
    reader.read(fragment(2))
    reader.read(fragment(0))
    expect(() => reader.read(fragment(0))).toThrow('too long')
  })

  it.each([
    { bytes: 3, head: '82 03' },
    { bytes: 125, head: '82 7d' },
    { bytes: 126, head: '82 7e 007e' },
    { bytes: 65_535, head: '82 7e ffff' },
    { bytes: 65_536, head: '82 7f 0000000000010000' },
  ])('writes $bytes bytes with their length', ({ bytes, head }) => {
    const expected = hex(head)
    expect(encodeFrame(2, Buffer.alloc(bytes)).subarray(0, expected.length)).toEqual(expected)
  })

  it('keeps a reason to close within a control frame', () => {
    expect(encodeClose(1002, 'x'.repeat(500))).toHaveLength(2 + 125)
  })

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
