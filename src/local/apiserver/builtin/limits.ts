import type { ApiObject, ResourceDefinition, Schema } from '../types.ts'
import { age, at, column, define, listAt, numberAt, recordAt, status, textAt } from './define.ts'
import { immutable, notNegative, required } from './problems.ts'
import {
  defaulting,
  described,
  flag,
  free,
  integer,
  kind,
  labels,
  list,
  object,
  oneOf,
  quantity,
  status as statusSchema,
  text,
} from './schemas/form.ts'
import { podTemplate } from './schemas/pod.ts'

const quantities: Schema = { type: 'object', additionalProperties: quantity }

export const resourceQuota: ResourceDefinition = define({
  kind: 'ResourceQuota',
  shortNames: ['quota'],
  isNamespaced: true,
  note: 'ResourceQuotas are kept and not enforced on one machine',
  schema: kind('A ResourceQuota limits what a namespace may use.', {
    spec: object({
      hard: quantities,
      scopes: list(text),
      scopeSelector: object({
        matchExpressions: list(object({ scopeName: text, operator: text, values: list(text) })),
      }),
    }),
    status: object({ hard: quantities, used: quantities }),
  }),
  columns: [
    column('Request', (one) => limitsText(one, (name) => !name.startsWith('limits.'))),
    column('Limit', (one) => limitsText(one, (name) => name.startsWith('limits.'))),
    age,
  ],
  subresources: status,
})

export const limitRange: ResourceDefinition = define({
  kind: 'LimitRange',
  shortNames: ['limits'],
  isNamespaced: true,
  note: 'LimitRanges are kept and not enforced on one machine',
  schema: kind('A LimitRange limits what each pod or container of a namespace may ask for.', {
    spec: object(
      {
        limits: list(
          object(
            {
              type: text,
              default: quantities,
              defaultRequest: quantities,
              max: quantities,
              min: quantities,
              maxLimitRequestRatio: quantities,
            },
            ['type'],
          ),
        ),
      },
      ['limits'],
    ),
  }),
  columns: [column('Created At', ({ metadata }) => metadata.creationTimestamp)],
})

export const priorityClass: ResourceDefinition = define({
  group: 'scheduling.k8s.io',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  shortNames: ['pc'],
  isNamespaced: false,
  note: 'PriorityClasses are kept and change nothing on one machine',
  schema: kind(
    'A PriorityClass says how important pods are.',
    {
      value: integer,
      globalDefault: flag,
      preemptionPolicy: defaulting('PreemptLowerPriority', oneOf(['Never', 'PreemptLowerPriority'])),
      description: text,
    },
    ['value'],
  ),
  columns: [
    column('Value', (one) => String(numberAt(one, 'value'))),
    column('Global-Default', (one) => String(at(one, 'globalDefault') === true)),
    age,
    column('PreemptionPolicy', (one) => textAt(one, 'preemptionPolicy')),
  ],
  validate: (one, old) => immutable(one, old, 'value'),
})

export const replicationController: ResourceDefinition = define({
  kind: 'ReplicationController',
  shortNames: ['rc'],
  categories: ['all'],
  isNamespaced: true,
  hasGeneration: true,
  note: 'ReplicationControllers are kept and run no pods on one machine; use a Deployment',
  schema: kind('A ReplicationController keeps a number of equal pods; Deployments have taken its place.', {
    spec: object({
      replicas: defaulting(1, integer),
      minReadySeconds: integer,
      selector: labels,
      template: podTemplate,
    }),
    status: statusSchema,
  }),
  columns: [
    column('Desired', (one) => String(numberAt(one, 'spec', 'replicas'))),
    column('Current', (one) => String(numberAt(one, 'status', 'replicas'))),
    column('Ready', (one) => String(numberAt(one, 'status', 'readyReplicas'))),
    age,
  ],
  subresources: {
    ...status,
    scale: {
      kind: 'scale',
      paths: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
    },
  },
  validate: (one) => (at(one, 'spec') === undefined ? [required('spec')] : notNegative(one, 'spec', 'replicas')),
})

export const podTemplateDefinition: ResourceDefinition = define({
  kind: 'PodTemplate',
  isNamespaced: true,
  schema: kind('A PodTemplate is a pod to copy.', { template: podTemplate }),
  columns: [
    column('Containers', (one) =>
      listAt(one, 'template', 'spec', 'containers')
        .map((each) => textAt(each, 'name'))
        .join(','),
    ),
    age,
  ],
})

export const runtimeClass: ResourceDefinition = define({
  group: 'node.k8s.io',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  isNamespaced: false,
  note: 'RuntimeClasses are kept and change nothing on one machine',
  schema: kind(
    'A RuntimeClass names a container runtime.',
    { handler: described('What the node knows the runtime by.', text), overhead: free, scheduling: free },
    ['handler'],
  ),
  columns: [column('Handler', (one) => textAt(one, 'handler')), age],
})

function limitsText(one: ApiObject, isShown: (name: string) => boolean): string {
  const used = recordAt(one, 'status', 'used')
  return Object.entries(recordAt(one, 'spec', 'hard'))
    .filter(([name]) => isShown(name))
    .map(([name, hard]) => `${name}: ${String(used[name] ?? 0)}/${String(hard)}`)
    .sort()
    .join(', ')
}
