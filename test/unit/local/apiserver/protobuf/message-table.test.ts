import { expect, test } from 'vitest'
import { knownMessages } from '../../../../../src/local/apiserver/protobuf/kinds.ts'
import { specialForms } from '../../../../../src/local/apiserver/protobuf/special-forms.ts'

const SCALARS = ['string', 'bytes', 'bool', 'int32', 'int64']

test('every type that a field names is a scalar, a special form or a message of the tables', () => {
  const { table } = knownMessages()
  const unknown = [...table].flatMap(([message, fields]) =>
    [...fields.values()]
      .filter(({ type }) => !SCALARS.includes(type) && !specialForms.has(type) && !table.has(type))
      .map(({ name, type }) => `${message}.${name}: ${type}`),
  )
  expect(unknown).toEqual([])
})

test('no message gives one JSON name to two fields', () => {
  for (const [message, fields] of knownMessages().table) {
    const names = [...fields.values()].map(({ name }) => name).filter((name) => name !== '')
    expect(new Set(names).size, message).toBe(names.length)
  }
})

test.each([
  ['v1', 'Pod', 'Pod'],
  ['autoscaling/v1', 'HorizontalPodAutoscaler', 'HorizontalPodAutoscalerV1'],
  ['autoscaling/v2', 'HorizontalPodAutoscaler', 'HorizontalPodAutoscaler'],
  ['events.k8s.io/v1', 'Event', 'EventsEvent'],
  ['batch/v1', 'DeleteOptions', 'DeleteOptions'],
  ['extensions/v1beta1', 'Deployment', undefined],
  ['v1', 'ObjectMeta', undefined],
])('%s %s is read as %s', (apiVersion, kind, message) => {
  const known = knownMessages()
  expect(known.messageOf(apiVersion, kind)).toBe(message)
  if (message !== undefined) expect(known.table.has(message)).toBe(true)
})
