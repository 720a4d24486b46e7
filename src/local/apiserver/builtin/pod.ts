import type { Clock } from '#shared/clock'
import type { ApiObject, ResourceDefinition, Subresource, Verb } from '../types.ts'
import { createBind } from './binding.ts'
import { define, listAt, numberAt, recordAt, status, textAt } from './define.ts'
import { evict } from './eviction.ts'
import { podColumns } from './pod-columns.ts'
import { filledPodSpec } from './pod-defaults.ts'
import { podChangeProblems, podSpecProblems } from './pod-problems.ts'
import { withServiceAccount } from './pod-service-account.ts'
import { podSchema } from './schemas/pod.ts'

const STREAM_VERBS: readonly Verb[] = ['create', 'get']
const stream: Subresource = { kind: 'stream', verbs: STREAM_VERBS }

export function podDefinition(clock: Clock): ResourceDefinition {
  return define({
    kind: 'Pod',
    shortNames: ['po'],
    categories: ['all'],
    isNamespaced: true,
    schema: podSchema,
    columns: podColumns,
    subresources: {
      ...status,
      log: { kind: 'stream', verbs: ['get'] },
      exec: stream,
      attach: stream,
      portforward: stream,
      binding: {
        kind: 'action',
        method: 'POST',
        accepts: { group: '', version: 'v1', kind: 'Binding' },
        run: createBind(clock),
      },
      eviction: {
        kind: 'action',
        method: 'POST',
        accepts: { group: 'policy', version: 'v1', kind: 'Eviction' },
        run: evict,
      },
    },
    selectableFields: {
      'spec.nodeName': (object) => textAt(object, 'spec', 'nodeName'),
      'spec.restartPolicy': (object) => textAt(object, 'spec', 'restartPolicy'),
      'spec.schedulerName': (object) => textAt(object, 'spec', 'schedulerName'),
      'spec.serviceAccountName': (object) => textAt(object, 'spec', 'serviceAccountName'),
      'spec.hostNetwork': (object) => String(recordAt(object, 'spec').hostNetwork === true),
      'status.phase': (object) => textAt(object, 'status', 'phase'),
      'status.podIP': (object) => textAt(object, 'status', 'podIP'),
      'status.nominatedNodeName': (object) => textAt(object, 'status', 'nominatedNodeName'),
    },
    defaulted: (object) => ({ ...object, spec: filledPodSpec(object.spec) }),
    prepare: (object, old, context, access) => {
      if (old !== undefined) return object
      const withAccount = withServiceAccount(object, context.namespace, access)
      return { ...withAccount, status: { phase: 'Pending', qosClass: qosClass(object) } }
    },
    validate: (object, old) =>
      old === undefined ? podSpecProblems(object.spec, 'spec') : podChangeProblems(object, old),
    deletion: {
      graceSeconds: (object, asked) => {
        // Nobody runs it: there is nothing to wait for.
        const isOver = ['Succeeded', 'Failed'].includes(textAt(object, 'status', 'phase'))
        if (textAt(object, 'spec', 'nodeName') === '' || isOver) return 0
        return asked ?? numberAt(object, 'spec', 'terminationGracePeriodSeconds')
      },
    },
  })
}

/** Guaranteed: all limits set and requested whole; BestEffort: nothing; else Burstable. */
function qosClass(object: ApiObject): string {
  const containers = [...listAt(object, 'spec', 'containers'), ...listAt(object, 'spec', 'initContainers')]
  const resources = containers.map(
    (one) => [recordAt(one, 'resources', 'limits'), recordAt(one, 'resources', 'requests')] as const,
  )
  if (resources.every(([limits, requests]) => Object.keys({ ...limits, ...requests }).length === 0)) return 'BestEffort'
  const isGuaranteed = resources.every(([limits, requests]) =>
    ['cpu', 'memory'].every((name) => limits[name] !== undefined && (requests[name] ?? limits[name]) === limits[name]),
  )
  return isGuaranteed ? 'Guaranteed' : 'Burstable'
}
