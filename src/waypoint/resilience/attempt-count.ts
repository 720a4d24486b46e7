import type { Fields } from '../codec/index.ts'

/**
 * Keeps retries of one hop from multiplying those of the next (docs/resilience.md "Retries that do not multiply").
 *
 * A request carries how many calls beyond the first all hops behind may still make of it. Each hop keeps what its own
 * policy may use and hands on the rest, with the first attempt only; so whatever fails where, the last service of a chain
 * sees no more than 1 + `EXTRA_CALLS` calls, or as many as the first hop's policy alone allows.
 *
 * The value is believed from everybody, since it can only take retries away, and only from the request that has it.
 */
export const ATTEMPT_HEADER = 'x-ambit-attempt'

/** Applications that pass on W3C trace context, and not our header, carry this member of `tracestate`. */
const TRACESTATE_KEY = 'ambit'

/** What a chain may make of one request beyond the first call. */
const EXTRA_CALLS = 3

/** RFC: more members than these are cut off at the end. */
const MAX_TRACESTATE_MEMBERS = 32

export interface AttemptCount {
  /** How often a request with this origin may have been worked on, this one included. */
  readonly attempt: number
  /** Calls beyond this one that whoever gets it may make. */
  readonly extra: number
}

const VALUE = /^([1-9]\d?)-(\d)$/

/** What came with a request; undefined = nobody before us tries again. */
export function readAttemptCount(fields: Fields): AttemptCount | undefined {
  const header = fields.get(ATTEMPT_HEADER)
  if (header !== undefined) return parse(header)
  for (const line of fields.values('tracestate')) {
    if (!line.includes(TRACESTATE_KEY)) continue
    for (const member of line.split(',', MAX_TRACESTATE_MEMBERS)) {
      const [key = '', value = ''] = member.trim().split('=', 2)
      if (key === TRACESTATE_KEY) return parse(value)
    }
  }
  return undefined
}

/** Replaces what came; in `tracestate` only where there is a trace. */
export function writeAttemptCount(fields: Fields, { attempt, extra }: AttemptCount): void {
  const value = `${Math.min(attempt, 99)}-${extra}`
  fields.set(ATTEMPT_HEADER, value)
  if (!fields.has('traceparent')) return
  const others: string[] = []
  for (const line of fields.values('tracestate')) {
    for (const member of line.split(',', MAX_TRACESTATE_MEMBERS)) {
      const text = member.trim()
      if (text !== '' && !text.startsWith(`${TRACESTATE_KEY}=`) && others.length < MAX_TRACESTATE_MEMBERS - 1) {
        others.push(text)
      }
    }
  }
  fields.set('tracestate', [`${TRACESTATE_KEY}=${value}`, ...others].join(','))
}

/** What a hop may do, and what it leaves to the hops behind it. */
export interface AttemptShare {
  /** Retries of what an application may have worked on. */
  readonly repeats: number
  /** Retries of what nobody has seen. */
  readonly unsentRetries: number
  /** Told with the first attempt; undefined = nothing needs to be told. */
  readonly handedOn: AttemptCount | undefined
}

/**
 * @param came with the request
 * @param retries that the policy allows; 0 = there is none
 * @param repeats whether the policy repeats what has been worked on
 */
export function shareOf(came: AttemptCount | undefined, retries: number, repeats: boolean): AttemptShare {
  const wanted = repeats ? retries : 0
  if (came === undefined) {
    const extra = Math.max(EXTRA_CALLS - wanted, 0)
    return {
      repeats: wanted,
      unsentRetries: retries,
      handedOn: wanted === 0 ? undefined : { attempt: 1, extra },
    }
  }
  const own = Math.min(wanted, came.extra)
  return {
    repeats: own,
    // Where an outer hop tries again already, tries that reach nobody would multiply, too.
    unsentRetries: came.attempt === 1 ? retries : own,
    handedOn: { attempt: came.attempt, extra: came.extra - own },
  }
}

function parse(value: string): AttemptCount | undefined {
  const [, attempt, extra] = VALUE.exec(value) ?? []
  if (attempt === undefined) return undefined
  return { attempt: Number(attempt), extra: Math.min(Number(extra), EXTRA_CALLS) }
}
