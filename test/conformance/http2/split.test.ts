import { afterEach, describe, expect, it } from 'vitest'
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
  PRIORITY,
  ping,
  post,
  priority,
  rstStream,
  settings,
  settingsAck,
  uint32,
  windowUpdate,
} from '../../support/h2-frames.ts'
import { type Conversation, rawClient, rawServer } from '../../support/h2-peer.ts'

const open: Conversation[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

/** Everything a well-behaved peer may send, in one go; the end is a PING that shows that all was read. */
const common = [
  data(1, 'hello'),
  frame('DATA', PADDED, 1, Buffer.from('\u0003abc\0\0\0')),
  frame('DATA', PADDED, 1, Buffer.from([2, 0, 0])),
  data(1),
  windowUpdate(0, 7),
  windowUpdate(1, 7),
  settings({ INITIAL_WINDOW_SIZE: 70_000, 4096: 1 }),
  priority(1),
  frame(99, 0, 1, Buffer.from('unknown')),
]
const toServer = Buffer.concat([
  PREFACE,
  settings({ MAX_FRAME_SIZE: 20_000 }),
  settingsAck,
  frame('HEADERS', 0, 1, block(post).subarray(0, 4)),
  frame('CONTINUATION', 0, 1, block(post).subarray(4, 9)),
  frame('CONTINUATION', END_HEADERS, 1, block(post).subarray(9)),
  ...common,
  headers(1, [['x-sum', '7']], END_STREAM),
  frame(
    'HEADERS',
    END_HEADERS | END_STREAM | PADDED | PRIORITY,
    3,
    Buffer.concat([Buffer.from([2]), uint32(1), Buffer.from([9]), block(get), Buffer.alloc(2)]),
  ),
  headers(5, connect),
  data(5, 'tunnelled'),
  rstStream(5),
  ping('the end!'),
])
const toClient = Buffer.concat([
  settings({ MAX_CONCURRENT_STREAMS: 10 }),
  settingsAck,
  headers(1, [[':status', '103']]),
  frame('HEADERS', 0, 1, block(ok).subarray(0, 3)),
  frame('CONTINUATION', END_HEADERS, 1, block(ok).subarray(3)),
  ...common,
  headers(1, [['x-sum', '7']], END_STREAM),
  headers(3, ok),
  data(3, 'second'),
  rstStream(3, 'INTERNAL_ERROR'),
  ping('the end!'),
])

/** Joins DATA events that lie side by side: how payload is cut is the reader's own affair. */
function joined(events: readonly string[]): string[] {
  const all: string[] = []
  for (const event of events) {
    const [kind, id, text] = [event.split(' ')[0], event.split(' ')[1], event.split(' ').slice(2).join(' ')]
    const last = all.at(-1)
    if (kind === 'data' && last?.startsWith(`data ${id} `)) all[all.length - 1] = last + text
    else all.push(event)
  }
  return all
}

async function told(role: 'server' | 'client', pieces: readonly Buffer[]): Promise<string[]> {
  let events: readonly string[]
  if (role === 'server') {
    const conversation = await rawServer()
    open.push(conversation)
    events = conversation.events
    await say(conversation, pieces)
  } else {
    const conversation = await rawClient()
    open.push(conversation)
    events = conversation.events
    await conversation.request(post)
    await conversation.request(get, true)
    await say(conversation, pieces)
  }
  return joined(events)
}

/** Each piece is on its way before the next is written: without Nagle's algorithm they come as separate reads. */
async function say({ peer, close }: Conversation, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    await new Promise<void>((resolve, reject) =>
      peer.socket.write(piece, (error) => (error ? reject(error) : setImmediate(resolve))),
    )
  }
  for (;;) {
    const answer = await peer.receive('PING')
    if (answer.payload.toString() === 'the end!') break
  }
  await close()
}

describe.each([
  ['server', toServer],
  ['client', toClient],
] as const)('the same bytes tell a %s the same', (role, bytes) => {
  it('cut in two at every place', async () => {
    const whole = await told(role, [bytes])
    expect(whole.length).toBeGreaterThan(6)
    for (let at = 1; at < bytes.length; at++) {
      const parts = await told(role, [bytes.subarray(0, at), bytes.subarray(at)])
      if (parts.join('\n') !== whole.join('\n')) expect({ at, parts }).toEqual({ at, parts: whole })
    }
  })

  it('octet by octet', async () => {
    const pieces = Array.from(bytes, (octet) => Buffer.of(octet))
    expect(await told(role, pieces)).toEqual(await told(role, [bytes]))
  })
})
