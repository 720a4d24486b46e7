import { describe, expect, it } from 'vitest'
import { LineCounter, parseDocument } from 'yaml'
import {
  flag,
  formatPath,
  integer,
  lineOfPath,
  list,
  type Path,
  pairs,
  record,
  required,
  type Shape,
  text,
} from '#shared/document'

/** The value that a shape reads, and its problems as `path: problem`. */
function read<T>(shape: Shape<T>, value: unknown): { readonly value: T; readonly problems: readonly string[] } {
  const problems: string[] = []
  const found = shape(value, [], (path, problem) => problems.push(`${formatPath(path)}: ${problem}`))
  return { value: found, problems }
}

describe('a required value', () => {
  it('is a problem where it is missing, and only there', () => {
    const shape = record({ names: required(list(text())), isOn: required(flag) })
    expect(read(shape, {}).problems).toEqual(['names: is missing', 'isOn: is missing'])
    expect(read(shape, { names: [], isOn: false })).toEqual({ value: { names: [], isOn: false }, problems: [] })
  })
})

describe('a map whose keys are data', () => {
  const shape = pairs(integer(0, 9))
  it('is read as pairs in order, each value checked at its own path', () => {
    expect(read(shape, { b: 1, a: 2 })).toEqual({
      value: [
        ['b', 1],
        ['a', 2],
      ],
      problems: [],
    })
    expect(read(shape, { b: 1, a: 20 }).problems).toEqual(['a: must be a whole number from 0 to 9, is 20'])
  })

  it('is empty where nothing is written, and a problem where something else is', () => {
    expect(read(shape, undefined)).toEqual({ value: [], problems: [] })
    expect(read(shape, ['a'])).toEqual({ value: [], problems: [': must be a map, is ["a"]'] })
  })
})

describe('the line of a path', () => {
  const lines = new LineCounter()
  const document = parseDocument('a:\n  b:\n  - x\n  - c: 1\n    d:\n      e: 2\n', { lineCounter: lines })
  it.each<[Path, number]>([
    [[], 1],
    [['a'], 1],
    [['a', 'b'], 2],
    [['a', 'b', 0], 3],
    [['a', 'b', 1, 'd', 'e'], 6],
    [['a', 'b', 1, 'missing'], 4],
    [['missing', 'deeper'], 1],
  ])('%j is that of its key, or of the nearest part that is written', (path, line) => {
    expect(lineOfPath(document.contents, path, lines)).toBe(line)
  })
})
