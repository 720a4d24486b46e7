import type { ApiObject, ResourceDefinition } from '../types.ts'
import { age, at, column, define, listAt, numberAt, recordAt, status, textAt } from './define.ts'
import { invalid, required } from './problems.ts'
import {
  described,
  free,
  integer,
  intOrString,
  kind,
  labelSelector,
  list,
  object,
  status as statusSchema,
  text,
} from './schemas/form.ts'

export const podDisruptionBudget: ResourceDefinition = define({
  group: 'policy',
  kind: 'PodDisruptionBudget',
  shortNames: ['pdb'],
  isNamespaced: true,
  hasGeneration: true,
  schema: kind('A PodDisruptionBudget says how many pods may be taken away on purpose.', {
    spec: object({
      minAvailable: intOrString,
      maxUnavailable: intOrString,
      selector: labelSelector,
      unhealthyPodEvictionPolicy: text,
    }),
    status: statusSchema,
  }),
  columns: [
    column('Min Available', (one) => shown(at(one, 'spec', 'minAvailable'))),
    column('Max Unavailable', (one) => shown(at(one, 'spec', 'maxUnavailable'))),
    column('Allowed Disruptions', (one) => String(numberAt(one, 'status', 'disruptionsAllowed'))),
    age,
  ],
  subresources: status,
  validate: (one) => {
    const both = at(one, 'spec', 'minAvailable') !== undefined && at(one, 'spec', 'maxUnavailable') !== undefined
    return both ? [invalid('spec', '', 'minAvailable and maxUnavailable cannot be both set')] : []
  },
})

export const horizontalPodAutoscaler: ResourceDefinition = define({
  group: 'autoscaling',
  version: 'v2',
  olderVersions: ['v1'],
  kind: 'HorizontalPodAutoscaler',
  note: 'HorizontalPodAutoscalers are kept and scale nothing on one machine: there are no metrics of pods',
  shortNames: ['hpa'],
  categories: ['all'],
  isNamespaced: true,
  schema: kind('A HorizontalPodAutoscaler changes how many pods there are by what they do.', {
    spec: object(
      {
        scaleTargetRef: object({ apiVersion: text, kind: text, name: text }, ['kind', 'name']),
        minReplicas: { ...integer, default: 1 },
        maxReplicas: integer,
        metrics: list(free),
        targetCPUUtilizationPercentage: described(
          'The one metric of autoscaling/v1; taken over into metrics.',
          integer,
        ),
        behavior: free,
      },
      ['scaleTargetRef', 'maxReplicas'],
    ),
    status: statusSchema,
  }),
  columns: [
    column(
      'Reference',
      (one) => `${textAt(one, 'spec', 'scaleTargetRef', 'kind')}/${textAt(one, 'spec', 'scaleTargetRef', 'name')}`,
    ),
    column('Targets', targets),
    column('MinPods', (one) => String(numberAt(one, 'spec', 'minReplicas'))),
    column('MaxPods', (one) => String(numberAt(one, 'spec', 'maxReplicas'))),
    column('Replicas', (one) => String(numberAt(one, 'status', 'currentReplicas'))),
    age,
  ],
  subresources: status,
  defaulted: withCpuMetric,
  validate: (one) => {
    if (at(one, 'spec') === undefined) return [required('spec')]
    const max = numberAt(one, 'spec', 'maxReplicas')
    if (max < 1) return [invalid('spec.maxReplicas', max, 'must be greater than 0')]
    const isLess = max < numberAt(one, 'spec', 'minReplicas')
    return isLess ? [invalid('spec.maxReplicas', max, 'must be greater than or equal to `minReplicas`')] : []
  },
})

/** autoscaling/v1 knows one number, v2 a list of metrics: objects are kept as v2 has them. */
function withCpuMetric(one: ApiObject): ApiObject {
  const { targetCPUUtilizationPercentage: percent, ...spec } = recordAt(one, 'spec')
  if (typeof percent !== 'number') return one
  const target = { type: 'Utilization', averageUtilization: percent }
  const metrics = [...listAt(spec, 'metrics'), { type: 'Resource', resource: { name: 'cpu', target } }]
  return { ...one, spec: { ...spec, metrics } }
}

function targets(one: ApiObject): string {
  return listAt(one, 'spec', 'metrics')
    .map((metric) => {
      const name = textAt(metric, 'resource', 'name') || textAt(metric, 'type')
      const wanted = at(metric, 'resource', 'target', 'averageUtilization')
      return `${name}: <unknown>${wanted === undefined ? '' : `/${String(wanted)}%`}`
    })
    .join(', ')
}

function shown(value: unknown): string {
  return value === undefined ? 'N/A' : String(value)
}
