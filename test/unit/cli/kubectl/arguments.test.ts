import { describe, expect, it } from 'vitest'
import { splitState } from '../../../../src/cli/commands/kubectl.ts'
import { plainFlags } from '../../../../src/cli/kubectl/index.ts'
import { changesOf, splitMarks } from '../../../../src/cli/kubectl/mark.ts'
import { readSelection } from '../../../../src/cli/kubectl/select.ts'
import { lookFor, readGoal } from '../../../../src/cli/kubectl/wait.ts'

describe('objects as arguments', () => {
  it.each([
    [['pods'], { kind: 'all-of', types: ['pods'] }],
    [['pods,svc'], { kind: 'all-of', types: ['pods', 'svc'] }],
    [
      ['pods', 'a', 'b'],
      {
        kind: 'named',
        objects: [
          { type: 'pods', name: 'a' },
          { type: 'pods', name: 'b' },
        ],
      },
    ],
    [
      ['pod/a', 'svc/b'],
      {
        kind: 'named',
        objects: [
          { type: 'pod', name: 'a' },
          { type: 'svc', name: 'b' },
        ],
      },
    ],
  ])('%j are read', (args, selection) => {
    expect(readSelection(args)).toEqual(selection)
  })

  it.each([[[]], [['pod/a', 'b']], [['pod/']], [['a/b/c']], [['a,b/c']]])('%j are refused', (args) => {
    expect(() => readSelection(args)).toThrow(/name a kind|not of the form/)
  })
})

describe('labels as arguments', () => {
  it('are set and taken away, after the objects', () => {
    expect(splitMarks(['ns', 'shop', 'a=b=c', 'd-', 'e='])).toEqual({
      names: ['ns', 'shop'],
      marks: { a: 'b=c', d: null, e: '' },
    })
  })

  it.each([
    [['ns', 'shop'], /say what to set/],
    [['ns', 'a=b', 'shop'], /shop is neither/],
    [['ns', 'shop', '=b'], /=b is neither/],
    [['ns', 'shop', 'a=b', 'a-'], /a is given twice/],
  ])('%j are refused', (args, problem) => {
    expect(() => splitMarks(args)).toThrow(problem)
  })

  it('change what differs, and clash with another value', () => {
    const document = { metadata: { labels: { a: 'b', c: 'd' } } }
    expect(changesOf(document, 'labels', { a: 'b', c: 'x', e: 'f', g: null })).toEqual({
      changes: { c: 'x', e: 'f' },
      clashes: ['c'],
    })
    expect(changesOf(document, 'labels', { a: null })).toEqual({ changes: { a: null }, clashes: [] })
    expect(changesOf({}, 'annotations', { a: 'b' })).toEqual({ changes: { a: 'b' }, clashes: [] })
  })
})

describe('--for of wait', () => {
  const pod = {
    metadata: { generation: 2 },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False', reason: 'Busy', message: 'soon' }] },
  }
  it.each<[string, Record<string, unknown> | undefined, object]>([
    ['delete', undefined, { kind: 'done' }],
    ['delete', pod, { kind: 'wait', reason: 'it is still there' }],
    ['condition=Ready', pod, { kind: 'wait', reason: 'Ready is False, Busy, soon' }],
    ['condition=ready=false', pod, { kind: 'done' }],
    ['condition=Other', pod, { kind: 'wait', reason: 'it has no condition Other' }],
    ['condition=Ready', undefined, { kind: 'wait', reason: 'it does not exist' }],
    ['jsonpath={.status.phase}=Running', pod, { kind: 'done' }],
    ['jsonpath=.status.phase=Failed', pod, { kind: 'wait', reason: '.status.phase is Running' }],
    ['jsonpath={.status.ip}', pod, { kind: 'wait', reason: '{.status.ip} is not there' }],
    ['jsonpath={.status.conditions[?(@.type=="Ready")].status}=False', pod, { kind: 'done' }],
  ])('%s', (goal, object, look) => {
    expect(lookFor(readGoal(goal), object)).toEqual(look)
  })

  it('does not take a condition of an older state', () => {
    const old = {
      metadata: { generation: 2 },
      status: { conditions: [{ type: 'Ready', status: 'True', observedGeneration: 1 }] },
    }
    expect(lookFor(readGoal('condition=Ready'), old)).toEqual({
      kind: 'wait',
      reason: 'its controller has not seen its last change',
    })
  })

  it.each(['', 'ready', 'condition=', 'jsonpath=', 'create'])('%j is refused with the forms', (goal) => {
    expect(() => readGoal(goal)).toThrow(/condition=TYPE/)
  })
})

describe('yes and no as arguments', () => {
  it.each([
    [
      ['delete', 'pod', 'a', '--wait=false', '--ignore-not-found=true'],
      ['delete', 'pod', 'a', '--no-wait', '--ignore-not-found'],
    ],
    [['delete', '--wait=true', '--now=false'], ['delete']],
    [
      ['apply', '--wait=true', '--force-conflicts=false'],
      ['apply', '--wait'],
    ],
    [
      ['api-resources', '--namespaced=true'],
      ['api-resources', '--namespaced=true'],
    ],
    [
      ['exec', 'a', '--', '--x=true'],
      ['exec', 'a', '--', '--x=true'],
    ],
    [
      ['get', '-o=yaml', '--selector=a=true'],
      ['get', '-o=yaml', '--selector=a=true'],
    ],
  ])('%j', (args, plain) => {
    expect(plainFlags(args[0] ?? '', args)).toEqual(plain)
  })
})

describe('--state of ambit kubectl', () => {
  it.each([
    [['get', 'pods'], { state: undefined, rest: ['get', 'pods'] }],
    [['--state', 'x', 'get', 'pods'], { state: 'x', rest: ['get', 'pods'] }],
    [['get', '--state=x', 'pods'], { state: 'x', rest: ['get', 'pods'] }],
    [['exec', 'a', '--', '--state', 'x'], { state: undefined, rest: ['exec', 'a', '--', '--state', 'x'] }],
  ])('%j', (args, split) => {
    expect(splitState(args)).toEqual(split)
  })
})
