import { describe, expect, it } from 'vitest'
import { retries } from '../../../../src/shared/analysis/retries.ts'
import { findingsOf, WEB } from '../../../support/analysed.ts'

const route = (name: string, gateways: string, http: string): string => `---
kind: VirtualService
metadata: {name: ${name}}
spec: {hosts: [web]${gateways}, http: [{route: [{destination: {host: web}}], ${http}}]}
`
const tries = (attempts: number): string => `retries: {attempts: ${attempts}}`
const edge = ', gateways: [edge]'

const table: readonly (readonly [what: string, yaml: string, found: readonly string[]])[] = [
  ['in one place', route('a', '', tries(5)), []],
  [
    'at the gateway and in the mesh',
    route('a', edge, tries(2)) + route('b', '', tries(2)),
    ['AMB0701 VirtualService shop/a spec.http[0].retries', 'AMB0701 VirtualService shop/b spec.http[0].retries'],
  ],
  [
    'by one route for both',
    route('a', ', gateways: [edge, mesh]', tries(2)),
    ['AMB0701 VirtualService shop/a spec.http[0].retries'],
  ],
  ['at the gateway, and turned off in the mesh', route('a', edge, tries(3)) + route('b', '', tries(0)), []],
  ['once in each place', route('a', edge, tries(1)) + route('b', '', tries(1)), []],
  ['a limit above that of a try', route('a', '', 'timeout: 10s, retries: {attempts: 2, perTryTimeout: 3s}'), []],
  [
    'a limit that ends the first try',
    route('a', '', 'timeout: 1s, retries: {attempts: 2, perTryTimeout: 1500ms}'),
    ['AMB0702 VirtualService shop/a spec.http[0].timeout'],
  ],
  ['a limit of 0, which is none', route('a', '', 'timeout: 0s, retries: {attempts: 2, perTryTimeout: 1s}'), []],
]

describe('retries: ', () => {
  it.each(table)('%s', (_what, yaml, found) => expect(findingsOf(retries, WEB + yaml)).toEqual(found))
})
