import { describe, expect, it } from 'vitest'
import { editParents, type StatedParent } from '../../../../src/istiod-lite/status/index.ts'

const ref = { group: '', kind: 'Service', name: 'cart' }
const CONTROLLER = 'ambit.dev/mesh-controller'
const theirs = {
  parentRef: { name: 'edge' },
  controllerName: 'others.example/controller',
  conditions: [{ type: 'Accepted' }],
}

const parent = (status: 'True' | 'False', reason: string): StatedParent => ({
  ref,
  conditions: [{ type: 'Accepted', status, reason, message: reason, event: status === 'True' ? 'none' : 'Warning' }],
})
const edit = (stated: readonly StatedParent[]) =>
  editParents({ controllerName: CONTROLLER, stated, observedGeneration: 3 })

const written = (time: string, status: string, reason: string) => ({
  parentRef: ref,
  controllerName: CONTROLLER,
  conditions: [{ type: 'Accepted', status, reason, message: reason, lastTransitionTime: time, observedGeneration: 3 }],
})

describe('the parents of a route', () => {
  it('get what is stated of them, beside those of other controllers', () => {
    expect(edit([parent('True', 'Accepted')])({ parents: [theirs] }, 'now')).toEqual({
      patch: { parents: [theirs, written('now', 'True', 'Accepted')] },
      events: [],
    })
  })

  it('are left alone when they say it already', () => {
    const status = { parents: [theirs, written('before', 'True', 'Accepted')] }
    expect(edit([parent('True', 'Accepted')])(status, 'now')).toBeUndefined()
  })

  it('keep the time of a state that stays, and tell what is bad and new', () => {
    const status = { parents: [written('before', 'False', 'NoMatchingParent')] }
    expect(edit([parent('False', 'UnsupportedValue')])(status, 'now')).toEqual({
      patch: { parents: [written('before', 'False', 'UnsupportedValue')] },
      events: [{ type: 'Warning', reason: 'UnsupportedValue', message: 'UnsupportedValue' }],
    })
    expect(edit([parent('True', 'Accepted')])(status, 'now')?.patch).toEqual({
      parents: [written('now', 'True', 'Accepted')],
    })
  })

  it('lose conditions that are not stated any more, and go when nothing is', () => {
    const [condition] = written('before', 'True', 'Accepted').conditions
    const more = {
      ...written('before', 'True', 'Accepted'),
      conditions: [condition, { type: 'PartiallyInvalid', status: 'True' }],
    }
    expect(edit([parent('True', 'Accepted')])({ parents: [more] }, 'now')?.patch).toEqual({
      parents: [written('before', 'True', 'Accepted')],
    })
    expect(edit([])({ parents: [more, theirs] }, 'now')?.patch).toEqual({ parents: [theirs] })
  })
})
