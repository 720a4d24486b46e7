import { afterAll, beforeAll, expect, test } from 'vitest'
import { unknownFields } from '../../../src/local/apiserver/crd/index.ts'
import type { Schema } from '../../../src/local/apiserver/index.ts'
import { textsByKind, withTexts } from '../../../src/local/apiserver/openapi/texts/index.ts'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api.close())

const within = (schema: Schema): Schema =>
  schema.items ?? (typeof schema.additionalProperties === 'object' ? schema.additionalProperties : schema)

function fieldAt(schema: Schema | undefined, path: string): Schema | undefined {
  return path
    .split('.')
    .reduce<Schema | undefined>((at, name) => (at === undefined ? undefined : within(at).properties?.[name]), schema)
}

function schemaOf(kind: string): Schema | undefined {
  return api.server.registry.definitions().find((each) => each.kind === kind && each.origin === 'builtin')?.versions[0]
    ?.schema
}

test('every text is of a field that there is, or of one that is free', () => {
  const lost: string[] = []
  for (const [kind, texts] of Object.entries(textsByKind)) {
    const schema = schemaOf(kind)
    for (const path of Object.keys(texts)) {
      const parts = path.split('.')
      const isFree = parts.some((_, i) => {
        const above = i === 0 ? schema : fieldAt(schema, parts.slice(0, i).join('.'))
        return above !== undefined && within(above)['x-kubernetes-preserve-unknown-fields'] === true
      })
      if (!isFree && fieldAt(schema, path) === undefined) lost.push(`${kind}.${path}`)
    }
  }
  expect(lost).toEqual([])
})

test('a template says of its pods what a pod says', () => {
  const deployment = withTexts('Deployment', schemaOf('Deployment') ?? {})
  const pod = withTexts('Pod', schemaOf('Pod') ?? {})
  const path = 'spec.containers.readinessProbe.httpGet.path'
  expect(fieldAt(pod, path)?.description).toBe('Path of the request.')
  expect(fieldAt(deployment, path.replace('spec', 'spec.template.spec'))?.description).toBe('Path of the request.')
})

test('the fields that users ask about most have a text', () => {
  const pod = withTexts('Pod', schemaOf('Pod') ?? {})
  const silent = Object.entries(fieldAt(pod, 'spec')?.properties ?? {}).filter(([, each]) => !each.description)
  expect(silent).toEqual([])
})

test('a misspelt field of a template is found, also in its metadata', () => {
  const pods = { metadata: { lables: {} }, spec: { containers: [{ name: 'a', imagePulPolicy: 'Always' }] } }
  expect(unknownFields({ spec: { template: pods } }, schemaOf('Deployment') ?? {}, true)).toEqual([
    'spec.template.metadata.lables',
    'spec.template.spec.containers[0].imagePulPolicy',
  ])
  expect(unknownFields({ spec: { jobTemplate: pods } }, schemaOf('CronJob') ?? {}, true)).toContain(
    'spec.jobTemplate.metadata.lables',
  )
})
