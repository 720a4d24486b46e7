import { describe, expect, it } from 'vitest'
import type { ApiObject } from '../../../../src/local/apiserver/index.ts'
import { FOLDER_MANAGER, isUsersOwn, markOf, readMark, withMark } from '../../../../src/local/objects/applied-mark.ts'

const manifest: ApiObject = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', namespace: 'n', annotations: { own: 'x' } },
  data: { k: 'v' },
}

/** As the API keeps what a folder has brought. */
function kept(object: ApiObject, manager = FOLDER_MANAGER): ApiObject {
  const entry = { manager, operation: 'Apply', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: {} } as const
  return { ...object, metadata: { ...object.metadata, managedFields: [entry] } }
}

describe('the mark of what a folder has brought', () => {
  it('is read back from the object, beside the annotations that it has', () => {
    const mark = markOf(manifest, 'spec of a pod')
    const marked = withMark(manifest, mark)
    expect(marked.metadata.annotations).toMatchObject({ own: 'x' })
    expect(readMark(kept(marked))).toEqual(mark)
    expect(readMark(kept(withMark(manifest, markOf(manifest, ''))))).toEqual({ manifest: mark.manifest, fixed: '' })
  })

  it('is another one when the manifest is, or what cannot change', () => {
    const mark = markOf(manifest, 'a')
    expect(markOf({ ...manifest, data: {} }, 'a').manifest).not.toBe(mark.manifest)
    expect(markOf(manifest, 'b')).toEqual({ ...mark, fixed: expect.not.stringMatching(mark.fixed) })
  })

  it.each([
    ['a copy that a user has made', kept(withMark(manifest, markOf(manifest, '')), 'kubectl')],
    ['an object without it', kept(manifest)],
    [
      'one that somebody has changed',
      kept({ ...manifest, metadata: { name: 'a', annotations: { 'ambit.dev/applied': 'x' } } }),
    ],
  ])('is not found on %s', (_what, object) => {
    expect(readMark(object)).toBeUndefined()
  })

  it.each<[string, boolean, ApiObject]>([
    ['made with kubectl', true, manifest],
    ['of a folder', false, kept(withMark(manifest, markOf(manifest, '')))],
    ['that every namespace gets', false, { ...manifest, metadata: { name: 'kube-root-ca.crt' } }],
    [
      'that somebody else owns',
      false,
      {
        ...manifest,
        metadata: { name: 'a', ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }] },
      },
    ],
    ['that only tells of others', false, { ...manifest, kind: 'Event' }],
  ])('tells an object %s', (_what, isOwn, object) => {
    expect(isUsersOwn(object)).toBe(isOwn)
  })
})
