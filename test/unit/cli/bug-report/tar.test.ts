import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { tarOf } from '../../../../src/cli/bug-report/index.ts'

const tar = (args: readonly string[], input: Buffer): string => {
  const { status, stdout, stderr } = spawnSync('tar', args, { input, encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

describe('an archive', () => {
  const files = [
    { path: 'a.txt', text: 'one\n' },
    { path: 'deep/b.json', text: `{"ü": "${'x'.repeat(1000)}"}` },
    { path: 'empty', text: '' },
    { path: 'block', text: 'y'.repeat(512) },
    { path: `programs/${'p'.repeat(100)}/${'c'.repeat(99)}`, text: 'long' },
  ]
  const archive = tarOf('report', files, 1_700_000_000_000)

  it('is read by tar, each file as it was', () => {
    expect(tar(['-t'], archive).trim().split('\n')).toEqual(files.map(({ path }) => `report/${path}`))
    for (const { path, text } of files) expect(tar(['-xO', `report/${path}`], archive)).toBe(text)
  })

  it('is for its owner alone', () => {
    expect(tar(['-tv', '--utc'], archive)).toMatch(/^-rw------- .* 2023-11-14 22:13/)
  })

  it('takes no path that its format cannot hold', () => {
    expect(() => tarOf('report', [{ path: 'x'.repeat(101), text: '' }], 0)).toThrow(RangeError)
    expect(() => tarOf('report', [{ path: `${'x'.repeat(160)}/a`, text: '' }], 0)).toThrow(RangeError)
  })
})
