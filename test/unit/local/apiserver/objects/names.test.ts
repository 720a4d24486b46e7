import { describe, expect, it } from 'vitest'
import {
  labelValueProblem,
  type NameRule,
  nameProblem,
  qualifiedNameProblem,
} from '../../../../../src/local/apiserver/objects/names.ts'

describe('names', () => {
  it.each<[NameRule, string, boolean]>([
    ['subdomain', 'a', true],
    ['subdomain', 'a.b-c.0', true],
    ['subdomain', 'a..b', false],
    ['subdomain', '-a', false],
    ['subdomain', 'A', false],
    ['subdomain', 'a'.repeat(253), true],
    ['subdomain', 'a'.repeat(254), false],
    ['label', 'a.b', false],
    ['label', '0a', true],
    ['label', 'a'.repeat(64), false],
    ['service', '0a', false],
    ['service', 'a0', true],
    ['path-segment', 'system:node:a', true],
    ['path-segment', 'a/b', false],
    ['path-segment', '..', false],
  ])('as %s: %j is good: %j', (rule, name, isGood) => {
    expect(nameProblem(name, rule) === undefined).toBe(isGood)
  })

  it.each<[string, boolean]>([
    ['app', true],
    ['App_1.x', true],
    ['ambit.dev/app', true],
    ['Ambit.dev/app', false],
    ['/app', false],
    ['a/', false],
    ['a/b/c', false],
    ['a b', false],
    [`x/${'a'.repeat(64)}`, false],
  ])('of labels: %j is good: %j', (key, isGood) => {
    expect(qualifiedNameProblem(key) === undefined).toBe(isGood)
  })

  it.each<[string, boolean]>([
    ['', true],
    ['a_b.c-D', true],
    ['-a', false],
    ['a'.repeat(64), false],
  ])('as a label value: %j is good: %j', (value, isGood) => {
    expect(labelValueProblem(value) === undefined).toBe(isGood)
  })
})
