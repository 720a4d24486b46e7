import { closeSync, read as readCallback } from 'node:fs'
import { promisify } from 'node:util'
import { lineEnds, MAX_RECORD_BYTES, RecordDecoder } from './cri-format.ts'
import type { LogPart, RunFiles } from './run-files.ts'
import type { LogQuery } from './types.ts'

const read = promisify(readCallback)

/** Read at a time; longer than any record. */
const BLOCK_BYTES: number = 4 * MAX_RECORD_BYTES
const NEWLINE = 10

/** A place between two records. */
interface Position {
  readonly part: LogPart
  readonly offset: number
}

/** What is asked of one run, in pieces; holds one block. Ends early when `signal` aborts. */
export async function* readRun(files: RunFiles, query: LogQuery, signal: AbortSignal): AsyncGenerator<Buffer> {
  const decoder = new RecordDecoder(query)
  let left = query.limitBytes ?? Number.POSITIVE_INFINITY
  for await (const records of recordsOf(files, query, signal)) {
    const lines = decoder.decode(records)
    if (lines.length > 0) yield lines.length > left ? lines.subarray(0, left) : lines
    left -= lines.length
    if (left <= 0) return
  }
}

/** Blocks of whole records from where the query begins. */
async function* recordsOf(files: RunFiles, query: LogQuery, signal: AbortSignal): AsyncGenerator<Buffer> {
  let position = await startOf(files, query.tailLines)
  while (!signal.aborted) {
    if (position === undefined) {
      // Nothing has been written yet.
      if (!(query.follow && files.isOpen)) return
      await files.change(signal)
      position = await startOf(files, undefined)
      continue
    }
    yield* restOfPart(files, position, query.follow, signal)
    const { sequence }: LogPart = position.part
    // Parts may have been dropped since, when the reader is slower than the writer.
    const next: LogPart | undefined = files.parts.find((part) => part.sequence > sequence)
    if (next !== undefined) position = { part: next, offset: 0 }
    else if (query.follow && files.isOpen) await files.change(signal)
    else return
  }
}

async function* restOfPart(
  files: RunFiles,
  { part, offset }: Position,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const fd = files.openPart(part)
  if (fd === undefined) return
  try {
    for (let at = offset; !signal.aborted; ) {
      const until = Math.min(part.bytes, at + BLOCK_BYTES)
      const block = await blockAt(fd, at, until)
      const whole = block.lastIndexOf(NEWLINE) + 1
      if (whole > 0) {
        at += whole
        yield block.subarray(0, whole)
      } else if (until > at)
        at = until // No record, whatever it is.
      else if (part.bytes > at) continue
      else if (follow && files.isOpen && files.parts.at(-1) === part) await files.change(signal)
      else return
    }
  } finally {
    closeSync(fd)
  }
}

/** Where the last `tailLines` lines begin, or the log; undefined when there is nothing. */
async function startOf(files: RunFiles, tailLines: number | undefined): Promise<Position | undefined> {
  const [oldest] = files.parts
  const first = oldest && { part: oldest, offset: 0 }
  if (tailLines === undefined) return first
  // A line begins where the one before it ends. An unfinished one at the very end has no end of its own.
  let missing = tailLines
  let isAtEnd = true
  for (const part of [...files.parts].reverse()) {
    const fd = files.openPart(part)
    if (fd === undefined) break
    try {
      for (let end = part.bytes; end > 0; ) {
        const block = await blockAt(fd, Math.max(0, end - BLOCK_BYTES), end)
        // The first record may have begun before the block.
        const begin = end > block.length ? block.indexOf(NEWLINE) + 1 : 0
        const records = block.subarray(begin)
        const ends = lineEnds(records)
        if (isAtEnd && records.length > 0) {
          if (ends.at(-1) === records.length) missing++
          isAtEnd = false
        }
        const start = end - records.length
        if (missing <= 0) return { part, offset: end }
        const found = ends.at(-missing)
        if (found !== undefined) return { part, offset: start + found }
        missing -= ends.length
        end = records.length === 0 ? end - block.length : start
      }
    } finally {
      closeSync(fd)
    }
  }
  return first
}

async function blockAt(fd: number, start: number, end: number): Promise<Buffer> {
  const block = Buffer.allocUnsafe(Math.max(0, end - start))
  let length = 0
  while (length < block.length) {
    const { bytesRead } = await read(fd, block, length, block.length - length, start + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return block.subarray(0, length)
}
