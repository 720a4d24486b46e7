/** Text of latin-1; an array joins its parts, a pair repeats its text. */
export type Raw = string | readonly (string | readonly [text: string, times: number])[]

export interface Forwarded {
  readonly method: string
  readonly target: string
  /** `*` = any. */
  readonly host: string
  readonly framing: string
  readonly body: string
  readonly hasNot?: readonly string[]
}

export interface RequestCase {
  readonly id: string
  readonly side: 'request'
  readonly shows: string
  readonly raw: Raw
  /** In that order; none = it goes nowhere. */
  readonly forward: readonly Forwarded[]
  /** Of the refusal that ends it, when one does. */
  readonly status?: number
}

export interface ResponseCase {
  readonly id: string
  readonly side: 'response'
  readonly shows: string
  readonly raw: Raw
  readonly method: string
  /** `abort` = cut behind its head. */
  readonly outcome: 'pass' | 'refuse' | 'abort'
  readonly body?: string
}

export function bytesOf(raw: Raw): Buffer {
  const parts = typeof raw === 'string' ? [raw] : raw
  return Buffer.from(
    parts.map((part) => (typeof part === 'string' ? part : part[0].repeat(part[1]))).join(''),
    'latin1',
  )
}

/** The bytes whole, cut in two at every place, and one by one; long ones are cut at some places only. */
export function* splits(bytes: Buffer): Generator<readonly Buffer[]> {
  const step = Math.max(1, Math.ceil(bytes.length / 400))
  for (let at = step; at < bytes.length; at += step) yield [bytes.subarray(0, at), bytes.subarray(at)]
  if (bytes.length < 2_000) yield Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
}
