import { ageSince } from '../present/index.ts'
import type { ApiObject, FieldProblem, ResourceDefinition } from '../types.ts'
import { ALL_VERBS, age, at, column, define, listAt, pairs, recordAt, status, textAt } from './define.ts'
import { forbidden, immutable, invalid, required } from './problems.ts'
import {
  bytes,
  described,
  flag,
  integer,
  kind,
  list,
  listMap,
  localObjectReference,
  map,
  object,
  objectReference,
  text,
  time,
} from './schemas/form.ts'
import { namespaceSchema } from './schemas/pod.ts'

/** What keeps a Namespace until the namespace controller has emptied it. */
const NAMESPACE_FINALIZER = 'kubernetes'
/** Namespaces that a cluster cannot be without. */
const LASTING_NAMESPACES: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public'])
const DATA_KEY = /^[-._a-zA-Z0-9]{1,253}$/
const MAX_DATA_BYTES = 1024 * 1024

export const namespace: ResourceDefinition = define({
  kind: 'Namespace',
  shortNames: ['ns'],
  isNamespaced: false,
  nameRule: 'label',
  // All of them at once is nothing that anybody wants.
  verbs: ALL_VERBS.filter((verb) => verb !== 'deletecollection'),
  schema: namespaceSchema,
  columns: [column('Status', (object) => textAt(object, 'status', 'phase')), age],
  subresources: {
    ...status,
    finalize: {
      kind: 'action',
      method: 'PUT',
      accepts: { group: '', version: 'v1', kind: 'Namespace' },
      run: async (target, body, _context, access) => {
        const finalizers = listAt(body, 'spec', 'finalizers')
        return access.update({ ...target, spec: { ...recordAt(target, 'spec'), finalizers } })
      },
    },
  },
  selectableFields: { 'status.phase': (object) => textAt(object, 'status', 'phase') },
  prepare: (object, old) => {
    const { name } = object.metadata
    const labels = { ...object.metadata.labels, 'kubernetes.io/metadata.name': name }
    const named = { ...object, metadata: { ...object.metadata, labels } }
    if (old !== undefined) return named
    return { ...named, spec: { finalizers: [NAMESPACE_FINALIZER] }, status: { phase: 'Active' } }
  },
  deletion: {
    refusal: ({ metadata }) =>
      LASTING_NAMESPACES.has(metadata.name) ? 'this namespace may not be deleted' : undefined,
    graceSeconds: () => 0,
    begun: (object) => ({ ...object, status: { ...recordAt(object, 'status'), phase: 'Terminating' } }),
    isHeld: (object) => listAt(object, 'spec', 'finalizers').length > 0,
  },
})

export const configMap: ResourceDefinition = define({
  kind: 'ConfigMap',
  shortNames: ['cm'],
  isNamespaced: true,
  schema: kind('A ConfigMap holds settings for pods to read.', {
    data: described('Texts by name.', map(text)),
    binaryData: described('Bytes by name, in base64.', map(bytes)),
    immutable: flag,
  }),
  columns: [
    column(
      'Data',
      (object) => Object.keys({ ...recordAt(object, 'data'), ...recordAt(object, 'binaryData') }).length,
      0,
      'string',
    ),
    age,
  ],
  validate: (object, old) => [...dataProblems(object, ['data', 'binaryData']), ...frozenProblems(object, old)],
})

export const secret: ResourceDefinition = define({
  kind: 'Secret',
  isNamespaced: true,
  schema: kind('A Secret holds what must not be seen.', {
    type: described('What the data is for, e.g. kubernetes.io/tls.', { ...text, default: 'Opaque' }),
    data: described('Bytes by name, in base64.', map(bytes)),
    stringData: described('Texts by name; taken over into data.', map(text)),
    immutable: flag,
  }),
  columns: [
    column('Type', (object) => textAt(object, 'type')),
    column('Data', (object) => Object.keys(recordAt(object, 'data')).length, 0, 'string'),
    age,
  ],
  selectableFields: { type: (object) => textAt(object, 'type') },
  prepare: (object) => {
    const { stringData, ...rest } = object
    if (stringData === undefined) return object
    const added = Object.entries(recordAt(stringData)).map(([key, value]) => [
      key,
      Buffer.from(String(value)).toString('base64'),
    ])
    return { ...rest, data: { ...recordAt(object, 'data'), ...Object.fromEntries(added) } } as ApiObject
  },
  validate: (object, old) => [
    ...dataProblems(object, ['data']),
    ...frozenProblems(object, old),
    ...immutable(object, old, 'type'),
    ...(object.type === 'kubernetes.io/tls'
      ? ['tls.crt', 'tls.key']
          .filter((key) => recordAt(object, 'data')[key] === undefined)
          .map((key) => required(`data[${key}]`))
      : []),
  ],
})

export const event: ResourceDefinition = define({
  kind: 'Event',
  shortNames: ['ev'],
  isNamespaced: true,
  schema: kind('An Event says what happened to an object.', {
    involvedObject: objectReference,
    reason: text,
    message: text,
    source: object({ component: text, host: text }),
    firstTimestamp: time,
    lastTimestamp: time,
    count: integer,
    type: text,
    eventTime: time,
    series: object({ count: integer, lastObservedTime: time }),
    action: text,
    related: objectReference,
    reportingComponent: text,
    reportingInstance: text,
  }),
  columns: [
    column('Last Seen', (object, nowMs) => ageSince(lastSeen(object), nowMs)),
    column('Type', (object) => textAt(object, 'type')),
    column('Reason', (object) => textAt(object, 'reason')),
    column(
      'Object',
      (object) =>
        `${textAt(object, 'involvedObject', 'kind').toLowerCase()}/${textAt(object, 'involvedObject', 'name')}`,
    ),
    column('Subobject', (object) => textAt(object, 'involvedObject', 'fieldPath'), 1),
    column(
      'Source',
      (object) =>
        [
          textAt(object, 'source', 'component') || textAt(object, 'reportingComponent'),
          textAt(object, 'source', 'host'),
        ]
          .filter((part) => part !== '')
          .join(', '),
      1,
    ),
    column('Message', (object) => textAt(object, 'message').trim()),
    column('First Seen', (object, nowMs) => ageSince(object.firstTimestamp ?? object.eventTime, nowMs), 1),
    column('Count', (object) => String(at(object, 'series', 'count') ?? object.count ?? 1), 1),
    column('Name', ({ metadata }) => metadata.name, 1),
  ],
  selectableFields: Object.fromEntries([
    ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((field) => [
      `involvedObject.${field}`,
      (object: ApiObject) => textAt(object, 'involvedObject', field),
    ]),
    ['reason', (object: ApiObject) => textAt(object, 'reason')],
    ['type', (object: ApiObject) => textAt(object, 'type')],
    ['reportingComponent', (object: ApiObject) => textAt(object, 'reportingComponent')],
    ['source', (object: ApiObject) => textAt(object, 'source', 'component') || textAt(object, 'reportingComponent')],
  ]),
})

export const endpoints: ResourceDefinition = define({
  kind: 'Endpoints',
  plural: 'endpoints',
  shortNames: ['ep'],
  isNamespaced: true,
  schema: kind('Endpoints are the addresses of a Service, as they were written before EndpointSlices.', {
    subsets: list(
      object({
        addresses: list(endpointAddress()),
        notReadyAddresses: list(endpointAddress()),
        ports: list(
          object({ name: text, port: integer, protocol: { ...text, default: 'TCP' }, appProtocol: text }, ['port']),
        ),
      }),
    ),
  }),
  columns: [column('Endpoints', endpointList), age],
})

export const lease: ResourceDefinition = define({
  group: 'coordination.k8s.io',
  kind: 'Lease',
  isNamespaced: true,
  schema: kind('A Lease says who leads, and until when.', {
    spec: object({
      holderIdentity: text,
      leaseDurationSeconds: integer,
      acquireTime: { type: 'string', nullable: true },
      renewTime: { type: 'string', nullable: true },
      leaseTransitions: integer,
      preferredHolder: text,
      strategy: text,
    }),
  }),
  columns: [column('Holder', (object) => textAt(object, 'spec', 'holderIdentity')), age],
})

export const serviceAccountSchema: ReturnType<typeof kind> = kind('A ServiceAccount is the identity of pods.', {
  secrets: listMap(['name'], objectReference),
  imagePullSecrets: list(localObjectReference),
  automountServiceAccountToken: flag,
})

function endpointAddress(): ReturnType<typeof object> {
  return object({ ip: text, hostname: text, nodeName: text, targetRef: objectReference }, ['ip'])
}

function endpointList(object: ApiObject): string {
  const all = listAt(object, 'subsets').flatMap((subset) =>
    listAt(subset, 'addresses').flatMap((address) =>
      listAt(subset, 'ports').map((port) => `${textAt(address, 'ip')}:${String(at(port, 'port'))}`),
    ),
  )
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',')
}

function lastSeen(object: ApiObject): unknown {
  return at(object, 'series', 'lastObservedTime') ?? object.lastTimestamp ?? object.eventTime
}

function dataProblems(object: ApiObject, fields: readonly string[]): FieldProblem[] {
  const entries = fields.flatMap((field) =>
    Object.entries(recordAt(object, field)).map(([key, value]) => ({ field, key, value })),
  )
  const bytesUsed = entries.reduce((sum, { value }) => sum + Buffer.byteLength(String(value)), 0)
  return [
    ...entries.flatMap(({ field, key }) =>
      DATA_KEY.test(key)
        ? []
        : [
            invalid(
              `${field}[${key}]`,
              key,
              "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            ),
          ],
    ),
    ...(bytesUsed > MAX_DATA_BYTES
      ? [
          {
            field: '',
            reason: 'FieldValueTooLong',
            problem: `Too long: may not be more than ${MAX_DATA_BYTES} bytes`,
          } as const,
        ]
      : []),
  ]
}

function frozenProblems(object: ApiObject, old: ApiObject | undefined): FieldProblem[] {
  if (old?.immutable !== true) return []
  if (object.immutable !== true) return [forbidden('immutable', 'field is immutable when `immutable` is set')]
  const hasChanged = ['data', 'binaryData'].find(
    (field) => pairs(recordAt(object, field)) !== pairs(recordAt(old, field)),
  )
  return hasChanged === undefined ? [] : [forbidden(hasChanged, 'field is immutable when `immutable` is set')]
}
