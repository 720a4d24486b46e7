import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { resolveAttribute } from '../../../../src/waypoint/reporting/attributes.ts'
import { compileExpression, ExpressionError } from '../../../../src/waypoint/reporting/expression.ts'
import { fuzz } from '../../../support/fuzz.ts'
import { facts, fakeExchange } from './fakes.ts'

const seen = facts({ exchange: fakeExchange({ lines: [['x-user', 'eve']] }), status: 503 })

function valueHere(text: string): unknown {
  return compileExpression(text, resolveAttribute)(seen)
}

describe('expressions', () => {
  it.each([
    ['response.code >= 400', true],
    ['response.code < 400', false],
    ['response.code == 503 && request.method == "GET"', true],
    ["request.headers['x-user']", 'eve'],
    ["request.headers['X-User'] == 'eve'", true],
    ["request.headers['other']", undefined],
    ["has(request.headers['other']) ? request.headers['other'] : 'none'", 'none'],
    ["request.url_path.startsWith('/items')", true],
    ["request.path.contains('?id=') && !request.host.endsWith('x')", true],
    ['destination.service', 'cart.shop.svc.cluster.local'],
    ['string(destination.port)', '80'],
    ['source.workload == "web-1" || false', true],
    ['!(response.code == 200)', true],
    ['!!true', true],
    ['true || false && false', true],
    ['(true || false) && false', false],
    ["'it'", 'it'],
    ["'a\\'b'", "a'b"],
    ['-1 < 0', true],
    ['1.5', 1.5],
    ['response.grpc_status > 0', false],
    ["response.code > '5'", false],
    ['connection.mtls', true],
  ])('%s is %j', (text, expected) => {
    expect(valueHere(text)).toBe(expected)
  })

  it.each([
    ['request.headers.x', 'attribute "request.headers.x"'],
    ['node.id', 'attribute "node.id"'],
    ["filter_state['x']", 'attribute "filter_state[\'x\']"'],
    ['request.path.matches("a")', 'method "matches"'],
    ['size(request.path)', 'function "size"'],
    ['response.code + 1', 'not understood at "+ 1"'],
    ['1 2', '"2" behind its end'],
    ['"open', 'not understood'],
    ['', 'it ends too early'],
    ['(true', 'no ) where one should be'],
    ['true ? 1', 'no : where one should be'],
    ['request.path.constructor("x")', 'method "constructor"'],
    ['('.repeat(100), 'deeper than 32'],
    [' '.repeat(5000), 'longer than 4096'],
  ])('%s is refused by name', (text, reason) => {
    expect(() => valueHere(text)).toThrow(ExpressionError)
    expect(() => valueHere(text)).toThrow(reason)
  })

  it('of any text are understood or refused, and of any kind of value give one', () => {
    const word = fc.constantFrom(
      'request.method',
      "request.headers['x']",
      'response.code',
      '>=',
      '==',
      '&&',
      '||',
      '!',
      '(',
      ')',
      '?',
      ':',
      "'a'",
      '4',
      'has(',
      'string(',
      '.startsWith(',
      '-',
      'true',
      '.',
      '[',
      ']',
      '"',
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
    )
    fuzz(
      'expressions',
      text,
      (given) => {
        try {
          expect(['string', 'number', 'boolean', 'undefined']).toContain(typeof valueHere(given))
        } catch (error) {
          if (!(error instanceof ExpressionError)) throw error
        }
      },
      { properties: 1 },
    )
  })
})
