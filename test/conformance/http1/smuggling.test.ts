import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { bytesOf, type RequestCase, type ResponseCase, splits } from '../../support/http1-cases.ts'
import { type Passed, pass } from '../../support/http1-proxy.ts'
import { ownCases } from './own-cases.ts'

const file: { readonly cases: readonly (RequestCase | ResponseCase)[] } = JSON.parse(
  readFileSync(new URL('./smuggling-cases.json', import.meta.url), 'utf8'),
)
const cases = [...file.cases, ...ownCases]
const requests = cases.filter((one) => one.side === 'request')
const responses = cases.filter((one) => one.side === 'response')

it('has 165 collected cases and at least 100 of its own, with different names', () => {
  expect(file.cases).toHaveLength(165)
  expect(ownCases.length).toBeGreaterThanOrEqual(100)
  expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length)
})

describe('a request reaches the back end in one form or not at all', () => {
  it.each(requests)('$id: $shows', async (one) => {
    const bytes = bytesOf(one.raw)
    const whole = await pass([bytes])
    expect(verdictOf(whole)).toEqual({
      faults: [],
      requests: one.forward.map(({ method, target, host, framing, body }, at) => ({
        method,
        target,
        host: host === '*' ? (whole.requests[at]?.host ?? '') : host,
        framing,
        body,
      })),
      statuses: [...one.forward.map(() => 200), ...(one.status === undefined ? [] : [one.status])],
      isClientClosed: true,
    })
    for (const [at, { hasNot }] of one.forward.entries()) {
      expect(whole.requests[at]?.names.filter((name) => hasNot?.includes(name))).toEqual([])
    }
  })
})

describe('an answer reaches the client in one form, or the client sees that it does not', () => {
  it.each(responses)('$id: $shows', async (one) => {
    const passed = await pass([ask(one.method)], [bytesOf(one.raw)])
    expect(outcomeOf(passed)).toEqual({ outcome: one.outcome, body: one.outcome === 'pass' ? (one.body ?? 'abc') : '' })
  })
})

describe('it does not matter how bytes are split', () => {
  it.each(requests)('$id', async (one) => {
    const bytes = bytesOf(one.raw)
    const whole = verdictOf(await pass([bytes]))
    for (const pieces of splits(bytes)) expect(verdictOf(await pass(pieces))).toEqual(whole)
  })

  it.each(responses)('$id', async (one) => {
    const bytes = bytesOf(one.raw)
    const whole = outcomeOf(await pass([ask(one.method)], [bytes]))
    for (const pieces of splits(bytes)) expect(outcomeOf(await pass([ask(one.method)], pieces))).toEqual(whole)
  })
})

function ask(method: string): Buffer {
  return Buffer.from(`${method} /r HTTP/1.1\r\nHost: a.example\r\n\r\n`)
}

function verdictOf({ requests, faults, answer, isClientClosed }: Passed): object {
  return {
    faults,
    requests: requests.map(({ method, target, host, framing, body }) => ({ method, target, host, framing, body })),
    statuses: finalStatuses(answer),
    isClientClosed,
  }
}

function outcomeOf({ answer }: Passed): object {
  const statuses = finalStatuses(answer)
  if (statuses[0] === 502 || statuses[0] === 503) return { outcome: 'refuse', body: '' }
  // Cut before anything left.
  if (statuses.length === 0) return { outcome: 'abort', body: '' }
  // Interim answers may stand before it.
  const last = answer.slice(answer.lastIndexOf('HTTP/1.1 '))
  const headEnd = last.indexOf('\r\n\r\n')
  const head = last.slice(0, headEnd).toLowerCase()
  const body = last.slice(headEnd + 4)
  if (!head.includes('transfer-encoding: chunked')) return { outcome: 'pass', body }
  const chunks = /^((?:[0-9a-f]+\r\n[^\r\n]*\r\n)*)0\r\n(?:[^\r\n]+\r\n)*\r\n$/.exec(body)
  if (chunks === null) return { outcome: 'abort', body: '' }
  return { outcome: 'pass', body: (chunks[1] ?? '').replace(/[0-9a-f]+\r\n([^\r\n]*)\r\n/g, '$1') }
}

function finalStatuses(answer: string): number[] {
  return [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((found) => Number(found[1])).filter((status) => status >= 200)
}
