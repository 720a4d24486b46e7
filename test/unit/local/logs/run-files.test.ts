import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { type LogPart, RunFiles } from '../../../../src/local/logs/run-files.ts'

const dir = mkdtempSync(join(tmpdir(), 'ambit-run-files-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

it('each part that is listed can be opened at any moment of a rotation', async () => {
  const failures: unknown[] = []
  const files = new RunFiles(dir, 0, { fileBytes: 10, olderFiles: 2 }, (error) => failures.push(error))
  files.begin()
  let isWriting = true
  const written = Promise.all(Array.from({ length: 100 }, () => files.append(Buffer.from('123456789\n')))).then(() => {
    isWriting = false
  })
  for (let looks = 0; isWriting; looks++) {
    const fd = files.openPart(files.parts.at(-1) as LogPart)
    expect({ looks, isOpen: fd !== undefined }).toEqual({ looks, isOpen: true })
    closeSync(fd ?? -1)
    await (looks % 2 === 0 ? new Promise((later) => setImmediate(later)) : Promise.resolve())
  }
  await written
  await files.finish()
  expect(failures).toEqual([])
  expect(files.parts.map(({ bytes }) => bytes)).toEqual([10, 10, 10])
})
