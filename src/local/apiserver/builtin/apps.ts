import { selectorText } from '../objects/scale.ts'
import { ageSince } from '../present/index.ts'
import type { ApiObject, Column, FieldProblem, ResourceDefinition, Schema } from '../types.ts'
import { age, at, column, define, listAt, numberAt, recordAt, scale, status, textAt } from './define.ts'
import { filledPodSpec } from './pod-defaults.ts'
import { podTemplateProblems } from './pod-problems.ts'
import { forbidden, immutable, notNegative, required, workloadSelectorProblems } from './problems.ts'
import {
  defaulting,
  described,
  flag,
  free,
  integer,
  intOrString,
  kind,
  labelSelector,
  list,
  object,
  oneOf,
  retainKeys,
  status as statusSchema,
  text,
} from './schemas/form.ts'
import { podTemplate } from './schemas/pod.ts'

const rollingUpdate: Schema = object({ maxUnavailable: intOrString, maxSurge: intOrString, partition: integer })
const replicas: Schema = described('How many pods are wanted.', defaulting(1, integer))
const workload = { selector: labelSelector, template: podTemplate, minReadySeconds: integer } as const

/** Containers, images and selector, as `-o wide` shows them. */
const wideColumns: readonly Column[] = [
  column(
    'Containers',
    (one) =>
      containersOf(one)
        .map((container) => textAt(container, 'name'))
        .join(','),
    1,
  ),
  column(
    'Images',
    (one) =>
      containersOf(one)
        .map((container) => textAt(container, 'image'))
        .join(','),
    1,
  ),
  column('Selector', (one) => selectorText(at(one, 'spec', 'selector') ?? {}), 1),
]

const filledTemplate = (one: ApiObject): ApiObject => {
  const template = recordAt(one, 'spec', 'template')
  if (template.spec === undefined) return one
  return { ...one, spec: { ...recordAt(one, 'spec'), template: { ...template, spec: filledPodSpec(template.spec) } } }
}

export const deployment: ResourceDefinition = define({
  group: 'apps',
  kind: 'Deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  isNamespaced: true,
  hasGeneration: true,
  schema: kind('A Deployment keeps a number of equal pods and replaces them step by step.', {
    spec: object(
      {
        ...workload,
        replicas,
        strategy: retainKeys(
          defaulting(
            {},
            object({ type: defaulting('RollingUpdate', oneOf(['Recreate', 'RollingUpdate'])), rollingUpdate }),
          ),
        ),
        revisionHistoryLimit: defaulting(10, integer),
        progressDeadlineSeconds: defaulting(600, integer),
        paused: flag,
      },
      ['selector', 'template'],
    ),
    status: statusSchema,
  }),
  columns: [
    column('Ready', (one) => `${numberAt(one, 'status', 'readyReplicas')}/${numberAt(one, 'spec', 'replicas')}`),
    column('Up-to-date', (one) => String(numberAt(one, 'status', 'updatedReplicas'))),
    column('Available', (one) => String(numberAt(one, 'status', 'availableReplicas'))),
    age,
    ...wideColumns,
  ],
  subresources: { ...status, ...scale },
  defaulted: (one) => withRollingUpdate(filledTemplate(one)),
  validate: (one, old) => workloadProblems(one, old, ['replicas', 'minReadySeconds', 'revisionHistoryLimit']),
})

export const replicaSet: ResourceDefinition = define({
  group: 'apps',
  kind: 'ReplicaSet',
  shortNames: ['rs'],
  categories: ['all'],
  isNamespaced: true,
  hasGeneration: true,
  schema: kind('A ReplicaSet keeps a number of equal pods.', {
    spec: object({ ...workload, replicas }, ['selector']),
    status: statusSchema,
  }),
  columns: [
    column('Desired', (one) => String(numberAt(one, 'spec', 'replicas'))),
    column('Current', (one) => String(numberAt(one, 'status', 'replicas'))),
    column('Ready', (one) => String(numberAt(one, 'status', 'readyReplicas'))),
    age,
    ...wideColumns,
  ],
  subresources: { ...status, ...scale },
  selectableFields: { 'status.replicas': (one) => String(numberAt(one, 'status', 'replicas')) },
  defaulted: filledTemplate,
  validate: (one, old) => workloadProblems(one, old, ['replicas', 'minReadySeconds']),
})

export const statefulSet: ResourceDefinition = define({
  group: 'apps',
  kind: 'StatefulSet',
  shortNames: ['sts'],
  categories: ['all'],
  isNamespaced: true,
  hasGeneration: true,
  schema: kind('A StatefulSet keeps pods with stable names.', {
    spec: object(
      {
        ...workload,
        replicas,
        serviceName: text,
        podManagementPolicy: defaulting('OrderedReady', oneOf(['OrderedReady', 'Parallel'])),
        updateStrategy: defaulting({}, object({ type: defaulting('RollingUpdate', text), rollingUpdate })),
        revisionHistoryLimit: defaulting(10, integer),
        volumeClaimTemplates: list(free),
        persistentVolumeClaimRetentionPolicy: object({ whenDeleted: text, whenScaled: text }),
        ordinals: object({ start: integer }),
      },
      ['selector', 'template'],
    ),
    status: statusSchema,
  }),
  columns: [
    column('Ready', (one) => `${numberAt(one, 'status', 'readyReplicas')}/${numberAt(one, 'spec', 'replicas')}`),
    age,
    ...wideColumns.slice(0, 2),
  ],
  subresources: { ...status, ...scale },
  defaulted: filledTemplate,
  validate: (one, old) => [
    ...workloadProblems(one, old, ['replicas', 'minReadySeconds']),
    ...(listAt(one, 'spec', 'volumeClaimTemplates').length > 0
      ? [forbidden('spec.volumeClaimTemplates', 'nobody provides volumes on one machine; use emptyDir')]
      : []),
    ...(numberAt(one, 'spec', 'updateStrategy', 'rollingUpdate', 'partition') > 0
      ? [forbidden('spec.updateStrategy.rollingUpdate.partition', 'is not supported on one machine')]
      : []),
  ],
})

export const daemonSet: ResourceDefinition = define({
  group: 'apps',
  kind: 'DaemonSet',
  shortNames: ['ds'],
  categories: ['all'],
  isNamespaced: true,
  hasGeneration: true,
  schema: kind('A DaemonSet keeps one pod on each node.', {
    spec: object(
      {
        ...workload,
        updateStrategy: defaulting({}, object({ type: defaulting('RollingUpdate', text), rollingUpdate })),
        revisionHistoryLimit: defaulting(10, integer),
      },
      ['selector', 'template'],
    ),
    status: statusSchema,
  }),
  columns: [
    column('Desired', (one) => String(numberAt(one, 'status', 'desiredNumberScheduled'))),
    column('Current', (one) => String(numberAt(one, 'status', 'currentNumberScheduled'))),
    column('Ready', (one) => String(numberAt(one, 'status', 'numberReady'))),
    column('Up-to-date', (one) => String(numberAt(one, 'status', 'updatedNumberScheduled'))),
    column('Available', (one) => String(numberAt(one, 'status', 'numberAvailable'))),
    column('Node Selector', (one) =>
      Object.entries(recordAt(one, 'spec', 'template', 'spec', 'nodeSelector'))
        .map(([key, value]) => `${key}=${String(value)}`)
        .join(','),
    ),
    age,
    ...wideColumns,
  ],
  subresources: status,
  defaulted: filledTemplate,
  validate: (one, old) => workloadProblems(one, old, ['minReadySeconds']),
})

/** What a StatefulSet or DaemonSet was, to go back to. */
export const controllerRevision: ResourceDefinition = define({
  group: 'apps',
  kind: 'ControllerRevision',
  isNamespaced: true,
  schema: kind('A ControllerRevision is an earlier state of a StatefulSet or DaemonSet.', {
    data: free,
    revision: { type: 'integer', format: 'int64' },
  }),
  columns: [
    column('Controller', ({ metadata }) => {
      const owner = metadata.ownerReferences?.find(({ controller }) => controller === true)
      return owner === undefined ? undefined : `${owner.kind.toLowerCase()}/${owner.name}`
    }),
    column('Revision', (one) => String(numberAt(one, 'revision'))),
    column('Age', ({ metadata }, nowMs) => ageSince(metadata.creationTimestamp, nowMs)),
  ],
})

function containersOf(one: ApiObject): readonly unknown[] {
  return listAt(one, 'spec', 'template', 'spec', 'containers')
}

function withRollingUpdate(one: ApiObject): ApiObject {
  const strategy = recordAt(one, 'spec', 'strategy')
  if (strategy.type !== 'RollingUpdate') return one
  const rolling = { maxUnavailable: '25%', maxSurge: '25%', ...recordAt(strategy, 'rollingUpdate') }
  return { ...one, spec: { ...recordAt(one, 'spec'), strategy: { ...strategy, rollingUpdate: rolling } } }
}

function workloadProblems(one: ApiObject, old: ApiObject | undefined, counts: readonly string[]): FieldProblem[] {
  if (at(one, 'spec') === undefined) return [required('spec')]
  return [
    ...workloadSelectorProblems(one),
    ...immutable(one, old, 'spec', 'selector'),
    ...counts.flatMap((count) => notNegative(one, 'spec', count)),
    ...podTemplateProblems(one, ['Always']),
  ]
}
