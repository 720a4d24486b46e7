import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  block,
  connect,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  headers,
  ok,
  PADDED,
  PREFACE,
  ping,
  post,
  priority,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from '../../support/h2-frames.ts'
import { type Conversation, rawClient, rawServer } from '../../support/h2-peer.ts'

/** Frames of which most fit together; conversations are made of them in any order, then spoiled. */
const pieces: readonly Buffer[] = [
  settings({ INITIAL_WINDOW_SIZE: 1000 }),
  settings({ HEADER_TABLE_SIZE: 64 }),
  settingsAck,
  headers(1, post),
  headers(3, get, END_STREAM),
  headers(5, connect),
  headers(1, ok),
  headers(1, [['x-sum', '7']], END_STREAM),
  frame('HEADERS', 0, 7, block(post).subarray(0, 7)),
  frame('CONTINUATION', END_HEADERS, 7, block(post).subarray(7)),
  frame('HEADERS', END_HEADERS, 9, Buffer.concat([block(get), Buffer.from([0x40, 1, 97, 1, 98, 0xbe])])),
  data(1, 'hello'),
  data(5, 'tunnel', END_STREAM),
  frame('DATA', PADDED, 1, Buffer.from([2, 65, 0, 0])),
  rstStream(5),
  windowUpdate(0, 1000),
  windowUpdate(1, 1000),
  priority(1, 3),
  ping(),
  frame(99, 3, 1, Buffer.from('unknown')),
]

const conversation = fc
  .array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 15 })
  .map((list) => Buffer.concat(list))
const spoils = fc.array(
  fc.record({ at: fc.nat(), how: fc.constantFrom('set', 'flip', 'drop', 'insert', 'swap'), octet: fc.nat(255) }),
  { maxLength: 6 },
)

type Spoil = { readonly at: number; readonly how: string; readonly octet: number }

function spoil(bytes: Buffer, list: readonly Spoil[]): Buffer {
  let octets = [...bytes]
  for (const { at, how, octet } of list) {
    const place = at % (octets.length || 1)
    if (how === 'set') octets[place] = octet
    else if (how === 'flip') octets[place] = (octets[place] ?? 0) ^ (1 << (octet % 8))
    else if (how === 'drop') octets.splice(place, 1 + (octet % 4))
    else if (how === 'insert') octets.splice(place, 0, octet)
    else octets = [...octets.slice(place), ...octets.slice(0, place)]
  }
  return Buffer.from(octets)
}

/** The bytes are said, then nothing more is: whatever they were, the engine lets go of everything. */
async function endsWell({ peer, engine, events }: Conversation, bytes: Buffer): Promise<void> {
  peer.send(bytes)
  peer.socket.end()
  await peer.closed()
  await engine.close()
  expect(engine.streamCount).toBe(0)
  expect(engine.isUsable).toBe(false)
  // Each stream whose owner was told of it has an end, and only one.
  for (const id of ['1', '3', '5', '7', '9']) {
    const ofStream = events.filter((event) => event.split(' ')[1] === id)
    expect(ofStream.filter((event) => event.startsWith('reset')).length).toBeLessThanOrEqual(1)
    const last = ofStream.findIndex((event) => event.startsWith('reset'))
    if (last >= 0) expect(ofStream.slice(last + 1)).toEqual([])
  }
}

describe('a spoiled conversation', () => {
  it('does a server no harm', async () => {
    await fc.assert(
      fc.asyncProperty(conversation, spoils, async (bytes, list) => {
        await endsWell(await rawServer(), Buffer.concat([PREFACE, settings(), spoil(bytes, list)]))
      }),
      { numRuns: 300 },
    )
  })

  it('does a server no harm though its preface is spoiled too', async () => {
    await fc.assert(
      fc.asyncProperty(conversation, spoils, async (bytes, list) => {
        await endsWell(await rawServer(), spoil(Buffer.concat([PREFACE, settings(), bytes]), list))
      }),
      { numRuns: 100 },
    )
  })

  it('does a client no harm', async () => {
    await fc.assert(
      fc.asyncProperty(conversation, spoils, async (bytes, list) => {
        const started = await rawClient()
        await started.request(post)
        await started.request(get, true)
        await endsWell(started, Buffer.concat([settings(), spoil(bytes, list)]))
      }),
      { numRuns: 300 },
    )
  })
})
