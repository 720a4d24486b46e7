import { selectorText } from '../objects/scale.ts'
import type { ApiObject, FieldProblem, ResourceDefinition, Schema } from '../types.ts'
import { age, at, column, define, listAt, recordAt, status, textAt } from './define.ts'
import { immutable, notSupported, required } from './problems.ts'
import {
  described,
  flag,
  free,
  integer,
  intOrString,
  kind,
  labelSelector,
  list,
  object,
  objectReference,
  oneOf,
  status as statusSchema,
  text,
} from './schemas/form.ts'

export const endpointSlice: ResourceDefinition = define({
  group: 'discovery.k8s.io',
  kind: 'EndpointSlice',
  isNamespaced: true,
  schema: kind(
    'An EndpointSlice holds addresses of a Service.',
    {
      addressType: described('What the addresses are.', oneOf(['IPv4', 'IPv6', 'FQDN'])),
      endpoints: list(
        object(
          {
            addresses: list(text),
            conditions: object({ ready: flag, serving: flag, terminating: flag }),
            hostname: text,
            targetRef: objectReference,
            deprecatedTopology: free,
            nodeName: text,
            zone: text,
            hints: object({
              forZones: list(object({ name: text }, ['name'])),
              forNodes: list(object({ name: text }, ['name'])),
            }),
          },
          ['addresses'],
        ),
      ),
      ports: list(
        object({
          name: { ...text, default: '' },
          protocol: { ...text, default: 'TCP' },
          port: integer,
          appProtocol: text,
        }),
      ),
    },
    ['addressType', 'endpoints'],
  ),
  columns: [
    column('AddressType', (one) => textAt(one, 'addressType')),
    column('Ports', (one) => joined(listAt(one, 'ports').map((port) => String(at(port, 'port') ?? '*'))) || '<unset>'),
    column(
      'Endpoints',
      (one) =>
        joined(listAt(one, 'endpoints').flatMap((endpoint) => listAt(endpoint, 'addresses').map(String))) || '<unset>',
    ),
    age,
  ],
  validate: (one, old) => immutable(one, old, 'addressType'),
})

const backend: Schema = object({
  service: object({ name: text, port: object({ name: text, number: integer }) }, ['name']),
  resource: { ...objectReference, properties: { apiGroup: text, kind: text, name: text } },
})

export const ingress: ResourceDefinition = define({
  group: 'networking.k8s.io',
  kind: 'Ingress',
  note: 'Ingresses are kept and nobody serves them on one machine',
  plural: 'ingresses',
  shortNames: ['ing'],
  isNamespaced: true,
  hasGeneration: true,
  schema: kind('An Ingress says which requests from outside go to which Services.', {
    spec: object({
      ingressClassName: text,
      defaultBackend: backend,
      tls: list(object({ hosts: list(text), secretName: text })),
      rules: list(
        object({
          host: text,
          http: object({ paths: list(object({ path: text, pathType: text, backend }, ['pathType', 'backend'])) }, [
            'paths',
          ]),
        }),
      ),
    }),
    status: statusSchema,
  }),
  columns: [
    column('Class', (one) => textAt(one, 'spec', 'ingressClassName')),
    column(
      'Hosts',
      (one) =>
        joined(
          listAt(one, 'spec', 'rules')
            .map((rule) => textAt(rule, 'host'))
            .filter((host) => host !== ''),
        ) || '*',
    ),
    column(
      'Address',
      (one) =>
        listAt(one, 'status', 'loadBalancer', 'ingress')
          .map((entry) => textAt(entry, 'ip') || textAt(entry, 'hostname'))
          .join(',') || ' ',
    ),
    column('Ports', (one) => (listAt(one, 'spec', 'tls').length > 0 ? '80, 443' : '80')),
    age,
  ],
  subresources: status,
  validate: (one) => [
    ...(listAt(one, 'spec', 'rules').length === 0 && at(one, 'spec', 'defaultBackend') === undefined
      ? [required('spec', 'either `defaultBackend` or `rules` must be specified')]
      : []),
    ...pathTypeProblems(one),
  ],
})

export const ingressClass: ResourceDefinition = define({
  group: 'networking.k8s.io',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  isNamespaced: false,
  schema: kind('An IngressClass names who serves Ingresses.', {
    spec: object({
      controller: text,
      parameters: object({ apiGroup: text, kind: text, name: text, namespace: text, scope: text }),
    }),
  }),
  columns: [column('Controller', (one) => textAt(one, 'spec', 'controller')), age],
})

const peer: Schema = object({
  podSelector: labelSelector,
  namespaceSelector: labelSelector,
  ipBlock: object({ cidr: text, except: list(text) }, ['cidr']),
})
const policyPorts: Schema = list(object({ protocol: { ...text, default: 'TCP' }, port: intOrString, endPort: integer }))

export const networkPolicy: ResourceDefinition = define({
  group: 'networking.k8s.io',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  shortNames: ['netpol'],
  isNamespaced: true,
  note: 'NetworkPolicies are kept and not enforced on one machine; AuthorizationPolicies are',
  hasGeneration: true,
  schema: kind('A NetworkPolicy says who may talk to which pods.', {
    spec: object({
      podSelector: { ...labelSelector, default: {} },
      policyTypes: list(oneOf(['Ingress', 'Egress'])),
      ingress: list(object({ from: list(peer), ports: policyPorts })),
      egress: list(object({ to: list(peer), ports: policyPorts })),
    }),
  }),
  columns: [column('Pod-Selector', (one) => selectorText(at(one, 'spec', 'podSelector') ?? {})), age],
  defaulted: (one) => {
    if (at(one, 'spec') === undefined || at(one, 'spec', 'policyTypes') !== undefined) return one
    const policyTypes = at(one, 'spec', 'egress') === undefined ? ['Ingress'] : ['Ingress', 'Egress']
    return { ...one, spec: { ...recordAt(one, 'spec'), policyTypes } }
  },
})

function pathTypeProblems(one: ApiObject): FieldProblem[] {
  const types = ['Exact', 'ImplementationSpecific', 'Prefix']
  return listAt(one, 'spec', 'rules').flatMap((rule, i) =>
    listAt(rule, 'http', 'paths').flatMap((path, j) => {
      const field = `spec.rules[${i}].http.paths[${j}].pathType`
      const type = textAt(path, 'pathType')
      return types.includes(type) ? [] : [notSupported(field, type, types)]
    }),
  )
}

/** At most three, and how many more. */
function joined(all: readonly string[]): string {
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',')
}
