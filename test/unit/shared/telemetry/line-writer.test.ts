import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { LineWriter } from '#shared/telemetry'

describe('LineWriter', () => {
  let folder = ''
  let file = ''
  let fd = -1
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ambit-lines-'))
    file = join(folder, 'log')
    fd = openSync(file, 'w')
  })
  afterEach(() => {
    closeSync(fd)
    rmSync(folder, { recursive: true })
  })

  it('writes lines in order, however many and however long', async () => {
    const writer = new LineWriter(fd, systemClock)
    const lines = Array.from({ length: 500 }, (_, i) => `${i}:${'x'.repeat((i * 37) % 6000)}\n`)
    for (const line of lines) writer.line(line)
    await writer.flush()
    expect(readFileSync(file, 'utf8')).toBe(lines.join(''))
  })

  it('makes its callers wait, and counts it, when too many lines wait; none is lost', async () => {
    const writer = new LineWriter(fd, systemClock)
    for (let i = 0; i < 25_000; i++) writer.line('a\n')
    expect(writer.backPressureCount).toBe(2)
    await writer.flush()
    expect(readFileSync(file, 'utf8')).toBe('a\n'.repeat(25_000))
  })

  it('hands over everything before it returns when the process is about to end', () => {
    const writer = new LineWriter(fd, systemClock)
    writer.line('last words\n')
    writer.flushNow()
    expect(readFileSync(file, 'utf8')).toBe('last words\n')
  })

  it('goes on without a log when the descriptor is gone for good', async () => {
    const writer = new LineWriter(987_654, systemClock)
    writer.line('lost\n')
    await writer.flush()
    writer.line('lost too\n')
    await writer.flush()
    expect(writer.backPressureCount).toBe(0)
  })
})
