import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TcpFrames, toTcpFrame } from '#shared/dns'
import { TcpClient } from '../../../../src/ztunnel/dns/tcp-client.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

describe('a connection with questions', () => {
  let clock: FakeClock
  let server: Server
  let pod: Socket
  let client: TcpClient
  /** What was asked, and how it is answered. */
  let asked: { readonly packet: string; readonly answer: (reply: string | undefined) => void }[]
  let replies: string[]
  let isClosed: boolean

  beforeEach(async () => {
    clock = new FakeClock()
    asked = []
    replies = []
    isClosed = false
    server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
      client = new TcpClient({
        socket,
        clock,
        ask: (packet) =>
          new Promise((resolve) => {
            const answer = (reply: string | undefined) => resolve(reply === undefined ? undefined : Buffer.from(reply))
            asked.push({ packet: Buffer.from(packet).toString(), answer })
          }),
        onClosed: () => {
          isClosed = true
        },
      })
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    pod = connect({
      port: typeof address === 'object' ? (address?.port ?? 0) : 0,
      host: '127.0.0.1',
      allowHalfOpen: true,
    })
    pod.on('error', () => {})
    const frames = new TcpFrames()
    pod.on('data', (chunk) => replies.push(...frames.push(chunk).map((each) => Buffer.from(each).toString())))
    await once(pod, 'connect')
    await expect.poll(() => clock.pendingTimers).toBe(1)
  })
  afterEach(async () => {
    pod.destroy()
    await expect.poll(() => isClosed).toBe(true)
    server.close()
  })
  const frame = (text: string): Uint8Array => toTcpFrame(Buffer.from(text))
  const names = (): string[] => asked.map(({ packet }) => packet)

  it('answers several questions at once, as they are ready', async () => {
    pod.write(Buffer.concat([frame('one'), frame('two')]))
    await expect.poll(names).toEqual(['one', 'two'])
    pod.write(frame('three'))
    await expect.poll(names).toHaveLength(3)
    for (const { packet, answer } of [...asked].reverse()) answer(`re: ${packet}`)
    await expect.poll(() => replies).toEqual(['re: three', 're: two', 're: one'])
  })

  it('sends an answer of many messages no faster than the pod takes it', async () => {
    const large = 'x'.repeat(60_000)
    let sent = 0
    pod.pause()
    pod.write(frame('zone'))
    await expect.poll(names).toEqual(['zone'])
    const sending = (async () => {
      for (; sent < 500; sent++) await client.send(Buffer.from(large))
    })()
    // What the two sockets and the kernel hold is far less than 30 MB.
    await expect.poll(() => clock.pendingTimers).toBe(1)
    expect(sent).toBeLessThan(400)
    pod.resume()
    await sending
    asked[0]?.answer(undefined)
    await expect.poll(() => replies.length, { timeout: 5_000 }).toBe(500)
  })

  it('gives up an answer of many messages when the pod has gone', async () => {
    pod.pause()
    pod.write(frame('zone'))
    await expect.poll(names).toEqual(['zone'])
    const sending = (async () => {
      for (;;) await client.send(Buffer.alloc(60_000))
    })()
    pod.resetAndDestroy()
    await expect(sending).rejects.toThrow('takes no more')
    asked[0]?.answer(undefined)
  })

  it('reads no more than 32 questions ahead', async () => {
    pod.write(Buffer.concat(Array.from({ length: 100 }, (_, i) => frame(`q${i}`))))
    await expect.poll(names).toHaveLength(32)
    for (let i = 0; i < 100; i++) {
      await expect.poll(() => asked.length).toBeGreaterThan(i)
      asked[i]?.answer('.')
    }
    await expect.poll(() => replies).toHaveLength(100)
  })

  it('ends 5 s after the last answer', async () => {
    pod.write(frame('one'))
    await expect.poll(names).toHaveLength(1)
    await clock.advance(60_000)
    expect(isClosed).toBe(false)
    asked[0]?.answer('.')
    await expect.poll(() => replies).toHaveLength(1)
    await clock.advance(4999)
    expect(isClosed).toBe(false)
    await clock.advance(1)
    await expect.poll(() => isClosed).toBe(true)
  })

  it('does not wait longer for a question that comes byte by byte', async () => {
    const bytes = frame('slow')
    for (let i = 0; i < bytes.length - 1; i++) {
      pod.write(bytes.subarray(i, i + 1))
      await clock.advance(1000)
    }
    await expect.poll(() => isClosed).toBe(true)
    expect(asked).toEqual([])
  })

  it('goes on after a question that is not answered', async () => {
    pod.write(Buffer.concat([frame('one'), frame('two')]))
    await expect.poll(names).toHaveLength(2)
    asked[0]?.answer(undefined)
    asked[1]?.answer('.')
    await expect.poll(() => replies).toEqual(['.'])
    expect(isClosed).toBe(false)
  })

  it('answers what was asked before the pod ended its side, then ends', async () => {
    pod.end(frame('one'))
    await expect.poll(names).toHaveLength(1)
    const ended = once(pod, 'end')
    asked[0]?.answer('.')
    await ended
    expect(replies).toEqual(['.'])
    await expect.poll(() => isClosed).toBe(true)
  })

  it('ends when it drains as soon as everything is answered', async () => {
    pod.write(frame('one'))
    await expect.poll(names).toHaveLength(1)
    const ended = once(pod, 'end')
    client.drain()
    asked[0]?.answer('.')
    await ended
    expect(replies).toEqual(['.'])
  })

  it('reads nothing more while its answers are not taken, and ends after 5 s', async () => {
    pod.pause()
    const long = 'x'.repeat(65_000)
    let given = 0
    const give = (): void => {
      for (; given < asked.length; given++) asked[given]?.answer(long)
    }
    for (let i = 0; i < 400; i++) pod.write(frame(`q${i}`))
    await expect
      .poll(() => {
        give()
        return clock.pendingTimers
      })
      .toBe(1)
    expect(asked.length).toBeLessThan(400)
    await clock.advance(5000)
    await expect.poll(() => isClosed).toBe(true)
  })
})
