import type { ApiObject, FieldProblem, ResourceDefinition, Schema } from '../types.ts'
import { age, at, column, define, listAt, textAt } from './define.ts'
import { forbidden, invalid, required } from './problems.ts'
import {
  bytes,
  defaulting,
  free,
  integer,
  kind,
  labelSelector,
  list,
  listMap,
  object,
  oneOf,
  text,
} from './schemas/form.ts'

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']
const REVIEW_VERSION = 'v1'

const webhook: Readonly<Record<string, Schema>> = {
  name: text,
  clientConfig: object({
    caBundle: bytes,
    url: text,
    service: object({ namespace: text, name: text, path: text, port: defaulting(443, integer) }, ['namespace', 'name']),
  }),
  rules: list(
    object(
      {
        operations: list(oneOf(OPERATIONS)),
        apiGroups: list(text),
        apiVersions: list(text),
        resources: list(text),
        scope: defaulting('*', oneOf(['*', 'Cluster', 'Namespaced'])),
      },
      ['operations', 'apiGroups', 'apiVersions', 'resources'],
    ),
  ),
  failurePolicy: defaulting('Fail', oneOf(['Fail', 'Ignore'])),
  matchPolicy: defaulting('Equivalent', oneOf(['Equivalent', 'Exact'])),
  namespaceSelector: defaulting({}, labelSelector),
  objectSelector: defaulting({}, labelSelector),
  sideEffects: oneOf(['None', 'NoneOnDryRun']),
  timeoutSeconds: defaulting(10, { ...integer, minimum: 1, maximum: 30 }),
  admissionReviewVersions: list(text),
  matchConditions: list(free),
}
const NEEDED = ['name', 'clientConfig', 'sideEffects', 'admissionReviewVersions']

export const validatingWebhookConfiguration: ResourceDefinition = configuration(
  'ValidatingWebhookConfiguration',
  'A ValidatingWebhookConfiguration names servers that may refuse requests.',
  object(webhook, NEEDED),
)

export const mutatingWebhookConfiguration: ResourceDefinition = configuration(
  'MutatingWebhookConfiguration',
  'A MutatingWebhookConfiguration names servers that may change and refuse objects.',
  object({ ...webhook, reinvocationPolicy: defaulting('Never', oneOf(['IfNeeded', 'Never'])) }, NEEDED),
)

function configuration(name: string, description: string, item: Schema): ResourceDefinition {
  return define({
    group: 'admissionregistration.k8s.io',
    kind: name,
    categories: ['api-extensions'],
    isNamespaced: false,
    hasGeneration: true,
    schema: kind(description, { webhooks: listMap(['name'], item) }),
    columns: [column('Webhooks', (one) => String(listAt(one, 'webhooks').length)), age],
    validate: (one) => listAt(one, 'webhooks').flatMap((each, i) => problemsOf(each, `webhooks[${i}]`, one)),
  })
}

function problemsOf(each: unknown, field: string, { kind: ofKind }: ApiObject): FieldProblem[] {
  const url = at(each, 'clientConfig', 'url')
  const hasService = at(each, 'clientConfig', 'service') !== undefined
  const versions = listAt(each, 'admissionReviewVersions')
  return [
    ...(/^[^.]+\.[^.]+\..+$/.test(textAt(each, 'name'))
      ? []
      : [
          invalid(
            `${field}.name`,
            textAt(each, 'name'),
            'should be a domain with at least three segments separated by dots',
          ),
        ]),
    ...((url !== undefined) === hasService
      ? [required(`${field}.clientConfig`, 'exactly one of url or service is required')]
      : []),
    ...(typeof url === 'string' && !isHttps(url)
      ? [invalid(`${field}.clientConfig.url`, url, "'https' is the only allowed URL scheme, and no user or fragment")]
      : []),
    ...(versions.includes(REVIEW_VERSION)
      ? []
      : [invalid(`${field}.admissionReviewVersions`, versions, `must include ${REVIEW_VERSION}`)]),
    ...(listAt(each, 'matchConditions').length > 0
      ? [forbidden(`${field}.matchConditions`, 'is not supported on one machine; use rules and selectors')]
      : []),
    ...(ofKind === 'MutatingWebhookConfiguration' && at(each, 'reinvocationPolicy') === 'IfNeeded'
      ? [forbidden(`${field}.reinvocationPolicy`, 'IfNeeded is not supported on one machine; each is asked once')]
      : []),
  ]
}

function isHttps(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, hash } = new URL(text)
  return protocol === 'https:' && username === '' && password === '' && hash === ''
}
