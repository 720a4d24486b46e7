import { expect, test } from 'vitest'
import { deployment } from '../../../../../src/local/apiserver/builtin/apps.ts'
import { node } from '../../../../../src/local/apiserver/builtin/node.ts'
import { podSchema } from '../../../../../src/local/apiserver/builtin/schemas/pod.ts'
import { service } from '../../../../../src/local/apiserver/builtin/service.ts'
import { serviceAccountDefinition } from '../../../../../src/local/apiserver/builtin/service-account.ts'
import { objectSchema, type Schema } from '../../../../../src/local/apiserver/schema/index.ts'
import type { ResourceDefinition } from '../../../../../src/local/apiserver/types.ts'
import { FakeClock } from '../../../../support/fake-clock.ts'

const schemaOf = ({ versions }: ResourceDefinition): Schema => versions[0]?.schema ?? {}
const kinds = {
  Pod: podSchema,
  Deployment: schemaOf(deployment),
  Node: schemaOf(node),
  Service: schemaOf(service),
  ServiceAccount: schemaOf(serviceAccountDefinition(undefined as never, new FakeClock())),
}

/** How a list merges: strategic merge by this key, server-side apply by these. `atomic`: it is replaced as a whole. */
type Rule = 'atomic' | { readonly strategy: string; readonly key?: string; readonly keys?: readonly string[] }

const byKey = (key: string, keys: readonly string[] = [key], strategy = 'merge'): Rule => ({ strategy, key, keys })
const template = 'spec.template.spec'

/** The published API's rules; clients and manifests count on them. */
test.each<[keyof typeof kinds, string, Rule]>([
  ['Pod', 'metadata.ownerReferences', byKey('uid')],
  ['Pod', 'metadata.finalizers', { strategy: 'merge' }],
  ['Pod', 'spec.containers', byKey('name')],
  ['Pod', 'spec.initContainers', byKey('name')],
  ['Pod', 'spec.ephemeralContainers', byKey('name')],
  ['Pod', 'spec.volumes', byKey('name', ['name'], 'merge,retainKeys')],
  ['Pod', 'spec.imagePullSecrets', byKey('name')],
  ['Pod', 'spec.hostAliases', byKey('ip')],
  ['Pod', 'spec.tolerations', 'atomic'],
  ['Pod', 'spec.topologySpreadConstraints', byKey('topologyKey', ['topologyKey', 'whenUnsatisfiable'])],
  ['Pod', 'spec.containers.env', byKey('name')],
  ['Pod', 'spec.containers.envFrom', 'atomic'],
  ['Pod', 'spec.containers.args', 'atomic'],
  ['Pod', 'spec.containers.ports', byKey('containerPort', ['containerPort', 'protocol'])],
  ['Pod', 'spec.containers.volumeMounts', byKey('mountPath')],
  ['Pod', 'spec.containers.volumeDevices', byKey('devicePath')],
  ['Pod', 'status.conditions', byKey('type')],
  ['Pod', 'status.podIPs', byKey('ip')],
  ['Deployment', `${template}.containers`, byKey('name')],
  ['Deployment', `${template}.containers.ports`, byKey('containerPort', ['containerPort', 'protocol'])],
  ['Deployment', 'status.conditions', byKey('type')],
  ['Service', 'spec.ports', byKey('port', ['port', 'protocol'])],
  ['Service', 'spec.clusterIPs', 'atomic'],
  ['ServiceAccount', 'secrets', byKey('name')],
  ['ServiceAccount', 'imagePullSecrets', 'atomic'],
  ['Node', 'spec.taints', 'atomic'],
  ['Node', 'status.addresses', byKey('type')],
])('%s %s merges as in Kubernetes', (kind, path, rule) => {
  const schema = at(objectSchema(kinds[kind]), path.split('.'))
  expect(schema.type).toBe('array')
  expect(ruleOf(schema)).toEqual(rule)
})

test('a port without a protocol is a TCP port, also for its key', () => {
  const containers = at(kinds.Pod, ['spec', 'containers', 'ports'])
  expect(containers.items?.properties?.protocol?.default).toBe('TCP')
  const ports = at(kinds.Service, ['spec', 'ports'])
  expect(ports.items?.properties?.protocol?.default).toBe('TCP')
})

function at(schema: Schema, path: readonly string[]): Schema {
  return path.reduce((inner, name) => {
    const found = (inner.items ?? inner).properties?.[name]
    if (found === undefined) throw new Error(`no ${path.join('.')}`)
    return found
  }, schema)
}

function ruleOf(schema: Schema): Rule {
  const strategy = schema['x-kubernetes-patch-strategy']
  const key = schema['x-kubernetes-patch-merge-key']
  const keys = schema['x-kubernetes-list-map-keys']
  if (strategy === undefined) return 'atomic'
  return { strategy, ...(key === undefined ? {} : { key }), ...(keys === undefined ? {} : { keys }) }
}
