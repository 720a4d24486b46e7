/**
 * Messages that others might read in another way than we do: each is refused, or forwarded in a form that cannot be read in
 * two. However it is cut into pieces, what becomes of it is the same.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type CanonicalRequest, readCanonical } from '../../support/canonical-requests.ts'
import { Http1Hop } from '../../support/http1-hop.ts'
import type { MemoryChannel } from '../../support/memory-channel.ts'

type Raw = string | readonly (string | readonly [text: string, times: number])[]

interface Wanted {
  readonly method: string
  readonly target: string
  readonly host?: string
  readonly framing: string
  readonly body: string
  readonly has_not?: readonly string[]
}

interface Case {
  readonly id: string
  readonly side: 'request' | 'response'
  readonly group: string
  readonly raw: Raw
  readonly expect: string
  readonly forward?: readonly Wanted[]
  readonly alsoSafe?: readonly (string | Wanted)[]
  /** Method of the request that the response answers. */
  readonly request?: string
  readonly body?: string
}

const cases = JSON.parse(readFileSync(join(import.meta.dirname, 'cases.json'), 'utf8')) as readonly Case[]
const OK = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
/** Longer ones are not cut at each octet. */
const MAX_CUT_BYTES = 600

function bytesOf(raw: Raw): Buffer {
  const parts = typeof raw === 'string' ? [raw] : raw
  return Buffer.from(
    parts.map((part) => (typeof part === 'string' ? part : part[0].repeat(part[1]))).join(''),
    'latin1',
  )
}

function* piecesOf(bytes: Buffer): Iterable<readonly Buffer[]> {
  yield [bytes]
  if (bytes.length > MAX_CUT_BYTES) return
  for (let at = 1; at < bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)]
  yield Array.from(bytes, (octet) => Buffer.from([octet]))
}

interface Verdict {
  /** Of the refusal; undefined = none. */
  readonly status: number | undefined
  readonly forwarded: readonly CanonicalRequest[]
  /** Requests of which only a part went on, and whose connections were cut. */
  readonly cut: number
}

async function verdictOn(pieces: readonly Buffer[]): Promise<Verdict> {
  const forwarded: CanonicalRequest[] = []
  const hop = new Http1Hop((channel: MemoryChannel) => {
    let isAnswered = false
    channel.onWritten = () => {
      if (isAnswered) return
      const request = readCanonical(channel.written)
      if (request === undefined) return
      isAnswered = true
      forwarded.push(request)
      queueMicrotask(() => channel.feed(OK))
    }
  })
  for (const piece of pieces) {
    hop.client.feed(piece)
    await setImmediate()
  }
  await setImmediate()
  const cut = hop.upstreams.filter(
    (channel) => channel.wasDestroyed && readCanonical(channel.written) === undefined,
  ).length
  if (hop.refusals.length > 0) expect(hop.client.hasEnded || hop.client.isClosed).toBe(true)
  return { status: hop.refusals[0]?.status, forwarded, cut }
}

function isWanted(found: readonly CanonicalRequest[], wanted: readonly Wanted[]): boolean {
  return (
    found.length === wanted.length &&
    wanted.every(({ method, target, host, framing, body, has_not: absent = [] }, at) => {
      const request = found[at]
      if (request === undefined) return false
      const isSame = request.method === method && request.target === target && request.body === body
      const isSameHost = host === undefined || host === '*' || request.host === host
      return isSame && isSameHost && request.framing === framing && !absent.some((name) => request.names.includes(name))
    })
  )
}

/** What is safe besides the first choice: a refusal, or these requests. */
function isSafe({ expect: wanted, forward, alsoSafe = [] }: Case, { status, forwarded }: Verdict): boolean {
  const isRefused = status !== undefined && status >= 400 && forwarded.length === 0
  if (wanted === 'reject') {
    return (
      isRefused ||
      isWanted(
        forwarded,
        alsoSafe.filter((each) => typeof each !== 'string'),
      )
    )
  }
  if (isWanted(forwarded, forward ?? [])) return true
  if (alsoSafe.includes('reject') && isRefused) return true
  return alsoSafe.includes('one') && isWanted(forwarded, (forward ?? []).slice(0, 1))
}

describe('requests', () => {
  it.each(cases.filter(({ side }) => side === 'request'))('$group: $id', async (each) => {
    const bytes = bytesOf(each.raw)
    let first: Verdict | undefined
    for (const pieces of piecesOf(bytes)) {
      const verdict = await verdictOn(pieces)
      expect(isSafe(each, verdict), JSON.stringify({ verdict, pieces: pieces.map(String).slice(0, 3) })).toBe(true)
      first ??= verdict
      expect(verdict, `cut behind ${pieces[0]?.length}`).toEqual(first)
    }
  })
})

describe('responses', () => {
  it.each(cases.filter(({ side }) => side === 'response'))('$id', async (each) => {
    const bytes = bytesOf(each.raw)
    let first: string | undefined
    for (const pieces of piecesOf(bytes)) {
      let upstream: MemoryChannel | undefined
      const hop = new Http1Hop((channel) => {
        upstream = channel
      })
      hop.client.feed(Buffer.from(`${each.request ?? 'GET'} / HTTP/1.1\r\nhost: a.example\r\n\r\n`))
      for (const piece of pieces) {
        upstream?.feed(piece)
        await setImmediate()
      }
      upstream?.feedEnd()
      await setImmediate()
      const answer = hop.client.written.replaceAll(/HTTP\/1\.1 10[23][^\r]*\r\n\r\n/g, '')
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]
      const isCut = hop.client.wasDestroyed
      const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
      const why = JSON.stringify({ answer, isCut, failures: hop.failures, pieces: pieces.map(String).slice(0, 3) })
      if (each.expect === 'pass') {
        expect(status, why).not.toBe('502')
        expect(body, why).toBe(each.body ?? body)
        expect(isCut, why).toBe(false)
      } else {
        const isAborted = each.alsoSafe?.includes('abort') === true && isCut
        expect(status === '502' || isAborted, why).toBe(true)
      }
      first ??= `${status} ${isCut}`
      expect(`${status} ${isCut}`).toBe(first)
    }
  })
})
