import { isIP } from 'node:net'
import type { ApiObject, FieldProblem, ResourceDefinition } from '../types.ts'
import { age, at, column, define, listAt, numberAt, pairs, recordAt, status, textAt } from './define.ts'
import {
  invalid,
  labelPairProblems,
  labelProblems,
  portOrNameProblems,
  portProblems,
  repeated,
  required,
} from './problems.ts'
import {
  defaulting,
  described,
  flag,
  integer,
  intOrString,
  kind,
  labels,
  list,
  listMap,
  object,
  oneOf,
  status as statusSchema,
  text,
} from './schemas/form.ts'

/** Whoever gives out cluster addresses (a controller) does so after the Service is there; none is made up here. */
const HEADLESS = 'None'

export const service: ResourceDefinition = define({
  kind: 'Service',
  shortNames: ['svc'],
  categories: ['all'],
  isNamespaced: true,
  nameRule: 'service',
  schema: kind('A Service is a stable name and address for a set of pods.', {
    spec: object({
      type: defaulting('ClusterIP', oneOf(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'])),
      ports: listMap(
        ['port', 'protocol'],
        object(
          {
            name: text,
            protocol: defaulting('TCP', oneOf(['TCP', 'UDP', 'SCTP'])),
            appProtocol: text,
            port: integer,
            targetPort: described('Number or name of a port of the pods.', intOrString),
            nodePort: integer,
          },
          ['port'],
        ),
      ),
      selector: described('Labels of the pods.', { ...labels, 'x-kubernetes-map-type': 'atomic' }),
      clusterIP: text,
      clusterIPs: list(text),
      externalIPs: list(text),
      sessionAffinity: defaulting('None', oneOf(['None', 'ClientIP'])),
      sessionAffinityConfig: object({ clientIP: object({ timeoutSeconds: integer }) }),
      loadBalancerIP: text,
      loadBalancerSourceRanges: list(text),
      loadBalancerClass: text,
      externalName: text,
      externalTrafficPolicy: text,
      internalTrafficPolicy: text,
      healthCheckNodePort: integer,
      publishNotReadyAddresses: flag,
      ipFamilies: list(oneOf(['IPv4', 'IPv6'])),
      ipFamilyPolicy: oneOf(['SingleStack', 'PreferDualStack', 'RequireDualStack']),
      allocateLoadBalancerNodePorts: flag,
      trafficDistribution: text,
    }),
    status: statusSchema,
  }),
  columns: [
    column('Type', (object) => textAt(object, 'spec', 'type')),
    column('Cluster-IP', (object) => textAt(object, 'spec', 'clusterIP')),
    column('External-IP', externalAddress),
    column('Port(s)', portList),
    age,
    column('Selector', (object) => pairs(recordAt(object, 'spec', 'selector')), 1),
  ],
  subresources: status,
  selectableFields: {
    'spec.clusterIP': (object) => textAt(object, 'spec', 'clusterIP'),
    'spec.type': (object) => textAt(object, 'spec', 'type'),
  },
  defaulted: (object) => ({ ...object, spec: filled(recordAt(object, 'spec')) }),
  prepare: (object, old) => (old === undefined ? object : keepingAddress(object, old)),
  validate: serviceProblems,
})

function filled(spec: Readonly<Record<string, unknown>>): object {
  const ports = listAt(spec, 'ports').map((port) => {
    const target = at(port, 'targetPort')
    const isMissing = target === undefined || target === 0 || target === ''
    return isMissing ? { ...recordAt(port), targetPort: at(port, 'port') } : port
  })
  const isExternalName = spec.type === 'ExternalName'
  const clusterIp = spec.clusterIP ?? listAt(spec, 'clusterIPs')[0]
  return {
    ...spec,
    ...(ports.length === 0 ? {} : { ports }),
    ...(isExternalName || spec.internalTrafficPolicy !== undefined ? {} : { internalTrafficPolicy: 'Cluster' }),
    ...(['NodePort', 'LoadBalancer'].includes(String(spec.type)) && spec.externalTrafficPolicy === undefined
      ? { externalTrafficPolicy: 'Cluster' }
      : {}),
    ...(clusterIp === undefined || clusterIp === ''
      ? {}
      : { clusterIP: clusterIp, clusterIPs: [clusterIp, ...listAt(spec, 'clusterIPs').slice(1)] }),
  }
}

/** An update that says nothing of addresses keeps those that the Service has. */
function keepingAddress(object: ApiObject, old: ApiObject): ApiObject {
  const spec = recordAt(object, 'spec')
  const before = recordAt(old, 'spec')
  if (spec.type === 'ExternalName' || before.type === 'ExternalName') return object
  const kept = ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'].flatMap((name) =>
    spec[name] === undefined && before[name] !== undefined ? [[name, before[name]] as const] : [],
  )
  return kept.length === 0 ? object : { ...object, spec: { ...spec, ...Object.fromEntries(kept) } }
}

function serviceProblems(object: ApiObject, old: ApiObject | undefined): FieldProblem[] {
  const spec = recordAt(object, 'spec')
  const ports = listAt(spec, 'ports')
  const isExternalName = spec.type === 'ExternalName'
  const needsPorts = ports.length === 0 && !isExternalName && spec.clusterIP !== HEADLESS
  return [
    ...(needsPorts ? [required('spec.ports')] : []),
    ...(isExternalName && textAt(spec, 'externalName') === '' ? [required('spec.externalName')] : []),
    ...ports.flatMap((port, i) => servicePortProblems(port, `spec.ports[${i}]`, ports.length > 1)),
    ...repeated(
      ports.map((port) => textAt(port, 'name')).filter((name) => name !== ''),
      (i) => `spec.ports[${i}].name`,
    ),
    ...repeated(
      ports.map((port) => `${numberAt(port, 'port')}/${textAt(port, 'protocol')}`),
      (i) => `spec.ports[${i}]`,
    ),
    ...Object.entries(recordAt(spec, 'selector')).flatMap(([key, value]) =>
      labelPairProblems(key, String(value), 'spec.selector'),
    ),
    ...addressProblems(spec, old),
  ]
}

function servicePortProblems(port: unknown, path: string, needsName: boolean): FieldProblem[] {
  const name = textAt(port, 'name')
  return [
    ...(name === '' ? (needsName ? [required(`${path}.name`)] : []) : labelProblems(name, `${path}.name`)),
    ...portProblems(at(port, 'port'), `${path}.port`),
    ...portOrNameProblems(at(port, 'targetPort'), `${path}.targetPort`),
  ]
}

function addressProblems(spec: Readonly<Record<string, unknown>>, old: ApiObject | undefined): FieldProblem[] {
  const address = textAt(spec, 'clusterIP')
  const isAddress = address === '' || address === HEADLESS || isIP(address) !== 0
  if (!isAddress)
    return [invalid('spec.clusterIPs[0]', address, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')]
  const before = textAt(old, 'spec', 'clusterIP')
  const hasChanged = before !== '' && before !== address && spec.type !== 'ExternalName'
  return hasChanged ? [invalid('spec.clusterIPs[0]', address, 'may not change once set')] : []
}

function externalAddress(object: ApiObject): string {
  const type = textAt(object, 'spec', 'type')
  if (type === 'ExternalName') return textAt(object, 'spec', 'externalName')
  const external = listAt(object, 'spec', 'externalIPs').map(String)
  if (type !== 'LoadBalancer') return external.join(',')
  const ingress = listAt(object, 'status', 'loadBalancer', 'ingress').map(
    (one) => textAt(one, 'ip') || textAt(one, 'hostname'),
  )
  return [...ingress, ...external].join(',') || '<pending>'
}

function portList(object: ApiObject): string {
  return listAt(object, 'spec', 'ports')
    .map((port) => {
      const nodePort = numberAt(port, 'nodePort')
      return `${numberAt(port, 'port')}${nodePort > 0 ? `:${nodePort}` : ''}/${textAt(port, 'protocol')}`
    })
    .join(',')
}
