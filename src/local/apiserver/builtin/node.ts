import type { ApiObject, ResourceDefinition } from '../types.ts'
import { age, at, column, define, listAt, status, textAt } from './define.ts'
import { flag, free, kind, list, listMap, object, set, text, time } from './schemas/form.ts'

const ROLE_PREFIX = 'node-role.kubernetes.io/'

export const node: ResourceDefinition = define({
  kind: 'Node',
  shortNames: ['no'],
  isNamespaced: false,
  schema: kind('A Node is a machine, or what stands for one here, that runs pods.', {
    spec: object({
      podCIDR: text,
      podCIDRs: set(text),
      providerID: text,
      unschedulable: flag,
      taints: list(object({ key: text, value: text, effect: text, timeAdded: time }, ['key', 'effect'])),
      externalID: text,
    }),
    status: {
      ...free,
      properties: {
        conditions: listMap(['type'], { ...free, properties: { type: text, status: text } }),
        addresses: listMap(['type'], object({ type: text, address: text }, ['type', 'address'])),
      },
    },
  }),
  columns: [
    column('Status', readiness),
    column('Roles', roles),
    age,
    column('Version', (object) => textAt(object, 'status', 'nodeInfo', 'kubeletVersion')),
    column('Internal-IP', (object) => addressOf(object, 'InternalIP'), 1),
    column('External-IP', (object) => addressOf(object, 'ExternalIP'), 1),
    column('OS-Image', (object) => textAt(object, 'status', 'nodeInfo', 'osImage') || '<unknown>', 1),
    column('Kernel-Version', (object) => textAt(object, 'status', 'nodeInfo', 'kernelVersion') || '<unknown>', 1),
    column(
      'Container-Runtime',
      (object) => textAt(object, 'status', 'nodeInfo', 'containerRuntimeVersion') || '<unknown>',
      1,
    ),
  ],
  subresources: status,
  selectableFields: { 'spec.unschedulable': (object) => String(at(object, 'spec', 'unschedulable') === true) },
})

function readiness(object: ApiObject): string {
  const ready = listAt(object, 'status', 'conditions').find((one) => textAt(one, 'type') === 'Ready')
  const words = [ready === undefined ? 'Unknown' : textAt(ready, 'status') === 'True' ? 'Ready' : 'NotReady']
  if (at(object, 'spec', 'unschedulable') === true) words.push('SchedulingDisabled')
  return words.join(',')
}

function roles({ metadata }: ApiObject): string {
  const labels = Object.entries(metadata.labels ?? {})
  const found = labels.flatMap(([key, value]) => {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) return [key.slice(ROLE_PREFIX.length)]
    return key === 'kubernetes.io/role' && value !== '' ? [value] : []
  })
  return [...new Set(found)].sort().join(',')
}

function addressOf(object: ApiObject, type: string): string {
  const found = listAt(object, 'status', 'addresses').find((one) => textAt(one, 'type') === type)
  return textAt(found, 'address')
}
