import { ageSince, humanAge } from '../present/index.ts'
import { objectMetaSchema } from '../schema/index.ts'
import type { ApiObject, FieldProblem, ResourceDefinition, Schema } from '../types.ts'
import { age, at, column, define, listAt, numberAt, recordAt, status, textAt } from './define.ts'
import { filledPodSpec } from './pod-defaults.ts'
import { podTemplateProblems } from './pod-problems.ts'
import { immutable, notNegative, required } from './problems.ts'
import {
  defaulting,
  flag,
  free,
  integer,
  kind,
  labelSelector,
  long,
  object,
  oneOf,
  status as statusSchema,
  text,
} from './schemas/form.ts'
import { podTemplate } from './schemas/pod.ts'

const JOB_LABELS = [
  'batch.kubernetes.io/controller-uid',
  'batch.kubernetes.io/job-name',
  'controller-uid',
  'job-name',
] as const

const jobSpec: Schema = object(
  {
    parallelism: integer,
    completions: integer,
    activeDeadlineSeconds: long,
    backoffLimit: defaulting(6, integer),
    backoffLimitPerIndex: integer,
    maxFailedIndexes: integer,
    selector: labelSelector,
    manualSelector: flag,
    template: podTemplate,
    ttlSecondsAfterFinished: integer,
    completionMode: defaulting('NonIndexed', oneOf(['NonIndexed', 'Indexed'])),
    suspend: defaulting(false, flag),
    podFailurePolicy: free,
    successPolicy: free,
    podReplacementPolicy: text,
    managedBy: text,
  },
  ['template'],
)

export const job: ResourceDefinition = define({
  group: 'batch',
  kind: 'Job',
  categories: ['all'],
  isNamespaced: true,
  hasGeneration: true,
  schema: kind('A Job runs pods until enough have succeeded.', { spec: jobSpec, status: statusSchema }),
  columns: [
    column('Status', jobState),
    column('Completions', completions),
    column('Duration', duration),
    age,
    column(
      'Containers',
      (one) =>
        listAt(one, 'spec', 'template', 'spec', 'containers')
          .map((container) => textAt(container, 'name'))
          .join(','),
      1,
    ),
    column(
      'Images',
      (one) =>
        listAt(one, 'spec', 'template', 'spec', 'containers')
          .map((container) => textAt(container, 'image'))
          .join(','),
      1,
    ),
  ],
  subresources: status,
  selectableFields: { 'status.successful': (one) => String(numberAt(one, 'status', 'succeeded')) },
  defaulted: (one) => withCounts(withFilledTemplate(one)),
  prepare: (one, old) => (old === undefined && at(one, 'spec', 'manualSelector') !== true ? withSelector(one) : one),
  validate: (one, old) => [
    ...podTemplateProblems(one, ['OnFailure', 'Never']),
    ...['parallelism', 'completions', 'backoffLimit', 'activeDeadlineSeconds', 'ttlSecondsAfterFinished'].flatMap(
      (field) => notNegative(one, 'spec', field),
    ),
    ...immutable(one, old, 'spec', 'selector'),
    ...immutable(one, old, 'spec', 'template'),
    ...immutable(one, old, 'spec', 'completionMode'),
  ],
})

export const cronJob: ResourceDefinition = define({
  group: 'batch',
  kind: 'CronJob',
  note: 'CronJobs are kept and start no Jobs on one machine; use "kubectl create job --from=cronjob/NAME"',
  shortNames: ['cj'],
  categories: ['all'],
  isNamespaced: true,
  hasGeneration: true,
  schema: kind('A CronJob starts a Job at set times.', {
    spec: object(
      {
        schedule: text,
        timeZone: text,
        startingDeadlineSeconds: long,
        concurrencyPolicy: defaulting('Allow', oneOf(['Allow', 'Forbid', 'Replace'])),
        suspend: defaulting(false, flag),
        jobTemplate: object({ metadata: objectMetaSchema, spec: jobSpec }),
        successfulJobsHistoryLimit: defaulting(3, integer),
        failedJobsHistoryLimit: defaulting(1, integer),
      },
      ['schedule', 'jobTemplate'],
    ),
    status: statusSchema,
  }),
  columns: [
    column('Schedule', (one) => textAt(one, 'spec', 'schedule')),
    column('Timezone', (one) => textAt(one, 'spec', 'timeZone')),
    column('Suspend', (one) => (at(one, 'spec', 'suspend') === true ? 'True' : 'False')),
    column('Active', (one) => String(listAt(one, 'status', 'active').length)),
    column('Last Schedule', (one, nowMs) => {
      const last = textAt(one, 'status', 'lastScheduleTime')
      return last === '' ? undefined : ageSince(last, nowMs)
    }),
    age,
  ],
  subresources: status,
  validate: cronProblems,
})

function jobState(one: ApiObject): string {
  const isTrue = (type: string): boolean =>
    listAt(one, 'status', 'conditions').some(
      (condition) => textAt(condition, 'type') === type && textAt(condition, 'status') === 'True',
    )
  if (isTrue('Complete')) return 'Complete'
  if (isTrue('Failed')) return 'Failed'
  if (one.metadata.deletionTimestamp !== undefined) return 'Terminating'
  if (isTrue('Suspended')) return 'Suspended'
  return isTrue('FailureTarget') ? 'FailureTarget' : 'Running'
}

function completions(one: ApiObject): string {
  const succeeded = numberAt(one, 'status', 'succeeded')
  const wanted = at(one, 'spec', 'completions')
  if (typeof wanted === 'number') return `${succeeded}/${wanted}`
  const parallelism = numberAt(one, 'spec', 'parallelism')
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`
}

function duration(one: ApiObject, nowMs: number): string | undefined {
  const start = Date.parse(textAt(one, 'status', 'startTime'))
  if (Number.isNaN(start)) return undefined
  const end = Date.parse(textAt(one, 'status', 'completionTime'))
  return humanAge((Number.isNaN(end) ? nowMs : end) - start)
}

function withFilledTemplate(one: ApiObject): ApiObject {
  const template = recordAt(one, 'spec', 'template')
  if (template.spec === undefined) return one
  return { ...one, spec: { ...recordAt(one, 'spec'), template: { ...template, spec: filledPodSpec(template.spec) } } }
}

/** With neither given one pod is enough; with only parallelism the pods themselves say when it is done. */
function withCounts(one: ApiObject): ApiObject {
  const spec = recordAt(one, 'spec')
  const isBare = spec.completions === undefined && spec.parallelism === undefined
  const counts = isBare ? { completions: 1, parallelism: 1 } : { parallelism: spec.parallelism ?? 1 }
  return { ...one, spec: { ...spec, ...counts } }
}

/** Pods of a Job are told from others by its uid. */
function withSelector(one: ApiObject): ApiObject {
  const { uid = '', name } = one.metadata
  const values = [uid, name, uid, name]
  const labels = Object.fromEntries(JOB_LABELS.map((label, i) => [label, values[i] ?? '']))
  const spec = recordAt(one, 'spec')
  const template = recordAt(spec, 'template')
  const metadata = {
    ...recordAt(template, 'metadata'),
    labels: { ...recordAt(template, 'metadata', 'labels'), ...labels },
  }
  const selector = { matchLabels: { [JOB_LABELS[0]]: uid } }
  return { ...one, spec: { ...spec, selector, template: { ...template, metadata } } }
}

function cronProblems(one: ApiObject): FieldProblem[] {
  if (at(one, 'spec') === undefined) return [required('spec')]
  const schedule = textAt(one, 'spec', 'schedule').trim()
  const isWhole = schedule.startsWith('@') || schedule.split(/\s+/).length === 5
  if (isWhole) return []
  const problem = `Invalid value: ${JSON.stringify(schedule)}: expected exactly 5 fields, found ${schedule.split(/\s+/).length}`
  return [{ field: 'spec.schedule', reason: 'FieldValueInvalid', problem }]
}
