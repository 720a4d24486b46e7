import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { redactText } from './redact.ts'
import type { ArchiveFile } from './tar.ts'

/** One file of a report, and where its text comes from. */
export interface Source {
  readonly path: string
  /** Which end of a text that is too long says more. */
  readonly keeps: 'head' | 'tail'
  readonly read: (signal: AbortSignal) => Promise<string>
}

export interface CollectBounds {
  /** For one source. */
  readonly sourceMs: number
  /** For all of them. */
  readonly totalMs: number
  readonly fileBytes: number
  readonly totalBytes: number
}

/** What became of a source. */
export interface Outcome {
  readonly path: string
  readonly bytes: number
  readonly isCut: boolean
  /** Why there is no such file; undefined when there is. */
  readonly problem: string | undefined
}

export interface Collected {
  readonly files: readonly ArchiveFile[]
  readonly outcomes: readonly Outcome[]
}

/** Sources that are read at once. */
const CONCURRENCY = 4

/**
 * Reads sources in their order, each on its own: one that fails, hangs or is too long costs the others nothing. Everything is
 * redacted before it is cut, so that no secret loses the mark that it is known by. Never rejects.
 */
export async function collect(sources: readonly Source[], bounds: CollectBounds, clock: Clock): Promise<Collected> {
  const untilMs = clock.monotonicMs() + bounds.totalMs
  const texts = new Map<Source, string>()
  const outcomes = new Map<Source, Outcome>()
  let leftBytes = bounds.totalBytes
  const queue = sources.values()

  const work = async (): Promise<void> => {
    for (const source of queue) {
      const { path } = source
      try {
        const waitMs = Math.min(bounds.sourceMs, untilMs - clock.monotonicMs())
        const text = redactText(await within(source.read, waitMs, clock))
        const kept = cut(text, Math.min(bounds.fileBytes, leftBytes), source.keeps)
        const bytes = Buffer.byteLength(kept)
        leftBytes -= bytes
        texts.set(source, kept)
        outcomes.set(source, { path, bytes, isCut: kept !== text, problem: undefined })
      } catch (error) {
        outcomes.set(source, { path, bytes: 0, isCut: false, problem: redactText(reasonOf(error)) })
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  return {
    files: sources.flatMap((source) => {
      const text = texts.get(source)
      return text === undefined ? [] : { path: source.path, text }
    }),
    outcomes: sources.flatMap((source) => outcomes.get(source) ?? []),
  }
}

/** @throws Error when it takes longer, too */
export async function within<T>(read: (signal: AbortSignal) => Promise<T>, waitMs: number, clock: Clock): Promise<T> {
  if (waitMs <= 0) throw new Error('there was no time left')
  const ending = new AbortController()
  const late = Promise.withResolvers<never>()
  const timer = clock.setTimer(waitMs, () => {
    late.reject(new Error(`no answer in ${Math.round(waitMs / 1000)} s`))
    ending.abort()
  })
  try {
    const reading = read(ending.signal)
    // What comes too late is nobody's.
    reading.catch(() => {})
    return await Promise.race([reading, late.promise])
  } finally {
    timer.cancel()
  }
}

function cut(text: string, maxBytes: number, keeps: Source['keeps']): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= maxBytes) return text
  if (maxBytes <= 0) throw new Error('the report has its largest size')
  // Half a character at the cut reads as a replacement mark.
  return keeps === 'head' ? bytes.toString('utf8', 0, maxBytes) : bytes.toString('utf8', bytes.length - maxBytes)
}
