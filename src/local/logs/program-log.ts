import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Clock } from '#shared/clock'
import { sleep } from '#shared/clock'
import type { ContainerLog, LogQuery } from './types.ts'

const BLOCK_BYTES = 64 * 1024
const NEWLINE = 10
/** A follower looks this often for what is new: the file belongs to another process, which tells nobody. */
const LOOK_MS = 200

/**
 * The log of a program of the mesh, to be read: plain lines, each with its time in front, in a file that the program
 * itself writes and that begins anew when it has grown too long.
 */
export function programLog(path: string, clock: Clock): Pick<ContainerLog, 'read'> {
  return {
    read(query, signal) {
      const stream = Readable.from(readLines(path, query, clock, signal), { objectMode: false })
      const end = (): void => void stream.destroy()
      signal.addEventListener('abort', end, { once: true })
      stream.once('close', () => signal.removeEventListener('abort', end))
      return stream
    },
  }
}

async function* readLines(path: string, query: LogQuery, clock: Clock, signal: AbortSignal): AsyncGenerator<Buffer> {
  const file = await open(path, 'r')
  try {
    const isWanted = since(query.sinceMs)
    let left = query.limitBytes ?? Number.POSITIVE_INFINITY
    for await (const lines of blocksOf(file, query, clock, signal)) {
      const wanted = query.sinceMs === undefined ? lines : filtered(lines, isWanted)
      if (wanted.length > 0) yield wanted.length > left ? wanted.subarray(0, left) : wanted
      left -= wanted.length
      if (left <= 0) return
    }
  } finally {
    await file.close()
  }
}

/** Whole lines; a line longer than a block comes in pieces. */
async function* blocksOf(
  file: FileHandle,
  { tailLines, follow }: LogQuery,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES)
  let at = tailLines === undefined ? 0 : await startOfTail(file, tailLines, block)
  while (!signal.aborted) {
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, at)
    const whole = block.subarray(0, bytesRead).lastIndexOf(NEWLINE) + 1
    const taken = whole > 0 ? whole : bytesRead === BLOCK_BYTES || !follow ? bytesRead : 0
    if (taken > 0) {
      at += taken
      yield Buffer.from(block.subarray(0, taken))
    } else if (!follow) return
    else {
      await sleep(clock, LOOK_MS)
      if ((await file.stat()).size < at) at = 0
    }
  }
}

async function startOfTail(file: FileHandle, lines: number, block: Buffer): Promise<number> {
  const { size } = await file.stat()
  if (lines === 0) return size
  let missing = lines
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - BLOCK_BYTES)
    const { bytesRead } = await file.read(block, 0, end - start, start)
    // The end of the very last line begins no other one.
    const last = end === size && block[bytesRead - 1] === NEWLINE ? bytesRead - 2 : bytesRead - 1
    for (let index = last; index >= 0; index--) {
      if (block[index] === NEWLINE && --missing === 0) return start + index + 1
    }
    end = start
  }
  return 0
}

/** Lines without a time, of which a stack has many, go with the one before. */
function since(sinceMs = 0): (line: string) => boolean {
  let isWanted = false
  return (line) => {
    const timeMs = Date.parse(/^\S+/.exec(line)?.[0] ?? '')
    if (!Number.isNaN(timeMs)) isWanted = timeMs >= sinceMs
    return isWanted
  }
}

function filtered(lines: Buffer, isWanted: (line: string) => boolean): Buffer {
  const kept = lines
    .toString('latin1')
    .split(/(?<=\n)/)
    .filter(isWanted)
  return Buffer.from(kept.join(''), 'latin1')
}
