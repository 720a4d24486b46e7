import { describe, expect, it } from 'vitest'
import type { ApiObject, ResourceDefinition } from '../../../../../src/local/apiserver/index.ts'
import { parseFieldSelector } from '../../../../../src/local/apiserver/selectors/index.ts'

const object: ApiObject = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'n' }, phase: 'Run,ning' }
// Only this part of a definition is read.
const definition = {
  selectableFields: new Map([['status.phase', ({ phase }: ApiObject) => String(phase)]]),
} as unknown as ResourceDefinition
const parse = (text: string): ReturnType<typeof parseFieldSelector> => parseFieldSelector(text, definition)

describe('a field selector', () => {
  it.each<[string, boolean, string | undefined]>([
    ['', true, undefined],
    ['metadata.name=a', true, 'a'],
    ['metadata.name==b', false, 'b'],
    ['metadata.name!=b', true, undefined],
    ['metadata.namespace=n,metadata.name=a', true, 'a'],
    ['status.phase=Run\\,ning', true, undefined],
    ['status.phase!=', true, undefined],
  ])('%j takes the object: %j, and asks for the name %j', (text, isTaken, name) => {
    const selector = parse(text)
    expect([selector.matches(object), selector.name]).toEqual([isTaken, name])
  })

  it.each(['spec.none=a', 'metadata.name', '=a'])('that reads %j is refused', (text) => {
    expect(() => parse(text)).toThrow(/not supported|invalid selector/)
  })
})
