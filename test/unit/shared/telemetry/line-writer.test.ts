import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { LineWriter } from '#shared/telemetry'

/** Somewhere to write to, and how to read what arrived there. */
interface Sink {
  readonly fd: number
  /** Closes it, and gives all that came. */
  arrived(): Promise<string>
}

function fileSink(folder: string): Sink {
  const file = join(folder, 'log')
  const fd = openSync(file, 'w')
  const arrived = async (): Promise<string> => {
    closeSync(fd)
    return readFileSync(file, 'utf8')
  }
  return { fd, arrived }
}

/** A pipe with a reader behind it, as in a container. */
function pipeSink(folder: string): Sink {
  const [pipe, file] = [join(folder, 'pipe'), join(folder, 'read')]
  execFileSync('mkfifo', [pipe])
  const reader = spawn('sh', ['-c', 'exec cat "$1" > "$2"', 'reader', pipe, file])
  const fd = openSync(pipe, 'w')
  const arrived = async (): Promise<string> => {
    closeSync(fd)
    if (reader.exitCode === null) await once(reader, 'exit')
    return readFileSync(file, 'utf8')
  }
  return { fd, arrived }
}

/** One that takes what it has room for, and then says that it has none. */
function unwaitingPipeSink(folder: string): Sink {
  const { fd: waiting, arrived } = pipeSink(folder)
  const fd = openSync(`/proc/self/fd/${waiting}`, constants.O_WRONLY | constants.O_NONBLOCK)
  return {
    fd,
    arrived: () => {
      closeSync(fd)
      return arrived()
    },
  }
}

describe.each([
  ['a file', fileSink],
  ['a pipe', pipeSink],
  ['a pipe that never makes a writer wait', unwaitingPipeSink],
])('LineWriter into %s', (_name, openSink) => {
  let folder = ''
  let sink: Sink
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ambit-lines-'))
    sink = openSink(folder)
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('writes lines in order, however many and however long', async () => {
    const writer = new LineWriter(sink.fd, systemClock)
    const lines = Array.from({ length: 500 }, (_, i) => `${i}:${'x'.repeat((i * 37) % 6000)}\n`)
    for (const line of lines) writer.line(line)
    await writer.flush()
    expect(await sink.arrived()).toBe(lines.join(''))
  })

  it('keeps characters of several bytes whole, also where a chunk ends', async () => {
    const writer = new LineWriter(sink.fd, systemClock)
    const lines = Array.from({ length: 300 }, (_, i) => `${'é€😀'.repeat(i % 97)}${'x'.repeat(i % 7)}\n`)
    for (const line of lines) writer.line(line)
    await writer.flush()
    expect(await sink.arrived()).toBe(lines.join(''))
  })

  it('loses and cuts no line when it is told to write at once while others are on their way', async () => {
    const writer = new LineWriter(sink.fd, systemClock)
    const lines = Array.from({ length: 400 }, (_, i) => `${i} ${'y'.repeat(i)}\n`)
    for (const [i, line] of lines.entries()) {
      writer.line(line)
      if (i % 100 === 99) await writer.flush()
      else if (i % 50 === 49) writer.flushNow()
    }
    await writer.flush()
    const arrived = (await sink.arrived()).split(/(?<=\n)/)
    expect(arrived.toSorted()).toEqual(lines.toSorted())
  })

  it('cuts no line that is longer than a pipe takes at once, though another is written at once meanwhile', async () => {
    const writer = new LineWriter(sink.fd, systemClock)
    const lines: string[] = []
    const write = (line: string): void => {
      lines.push(line)
      writer.line(line)
    }
    for (let i = 0; i < 40; i++) {
      write(`${i} ${'z'.repeat(200_000)}\n`)
      const written = writer.flush()
      for (let j = 0; j < 20; j++) {
        write(`${i}.${j}\n`)
        writer.flushNow()
      }
      await written
    }
    const arrived = (await sink.arrived()).split(/(?<=\n)/)
    expect(arrived.toSorted()).toEqual(lines.toSorted())
  })

  it('makes its callers wait, and counts it, when too many lines wait; none is lost', async () => {
    const writer = new LineWriter(sink.fd, systemClock)
    for (let i = 0; i < 25_000; i++) writer.line('a\n')
    expect(writer.backPressureCount).toBe(2)
    await writer.flush()
    expect(await sink.arrived()).toBe('a\n'.repeat(25_000))
  })

  it('hands over everything before it returns when the process is about to end', async () => {
    const writer = new LineWriter(sink.fd, systemClock)
    writer.line('last words\n')
    writer.flushNow()
    expect(await sink.arrived()).toBe('last words\n')
  })
})

describe('LineWriter', () => {
  it('goes on without a log when the descriptor is gone for good', async () => {
    const writer = new LineWriter(987_654, systemClock)
    writer.line('lost\n')
    await writer.flush()
    writer.line('lost too\n')
    await writer.flush()
    expect(writer.backPressureCount).toBe(0)
  })
})
