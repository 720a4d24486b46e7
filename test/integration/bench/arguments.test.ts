import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'

function bench(...args: string[]): { readonly status: number | null; readonly out: string; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--conditions=source', 'bench/main.ts', ...args], {
    encoding: 'utf8',
  })
  return { status, out: stdout, said: stderr }
}

describe('the bench', () => {
  it('prints its usage when it is asked to', () => {
    const { status, out, said } = bench('--help')
    expect({ status, said }).toEqual({ status: 0, said: '' })
    expect(out).toMatch(/^usage: npm run bench -- paths /)
  })

  it.each<[what: string, args: string[], reason: string]>([
    ['a flag that there is not', ['--bogus'], "Unknown option '--bogus'"],
    ['a flag without its value', ['paths', '--rounds'], "Option '--rounds <value>' argument missing"],
    ['a number that is none', ['paths', '--rounds', 'many'], '--rounds must be a whole number above 0, not "many"'],
    ['a path that there is not', ['paths', '--paths', 'moon'], '--paths: nothing is called "moon"'],
    ['a bench that there is not', ['fly'], 'no bench is called "fly"'],
    ['two benches', ['api', 'paths'], 'one bench at a time: "paths" is one too many'],
  ])('names %s, and prints its usage', (_what, args, reason) => {
    const { status, out, said } = bench(...args)
    expect({ status, out }).toEqual({ status: 2, out: '' })
    expect(said.startsWith(reason)).toBe(true)
    expect(said).toContain('usage: npm run bench -- paths ')
    expect(said).not.toContain('ERR_PARSE_ARGS')
  })
})
