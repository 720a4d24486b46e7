import { isEqualJson } from '../objects/json-equal.ts'
import type { ApiObject, FieldProblem } from '../types.ts'
import { at, listAt, numberAt, recordAt, textAt } from './define.ts'
import {
  duplicate,
  forbidden,
  invalid,
  labelPairProblems,
  labelProblems,
  notSupported,
  portNameProblems,
  portOrNameProblems,
  portProblems,
  repeated,
  required,
} from './problems.ts'

const ENVIRONMENT_NAME = /^[ -<>-~]+$/
const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc'] as const

/** What people get wrong in pods. `path` is `spec` of a Pod, `spec.template.spec` of what makes pods. */
export function podSpecProblems(spec: unknown, path: string): FieldProblem[] {
  const volumes = listAt(spec, 'volumes')
  const volumeNames = volumes.map((volume) => textAt(volume, 'name'))
  const lists = (['initContainers', 'containers', 'ephemeralContainers'] as const).map(
    (list) => [`${path}.${list}`, listAt(spec, list)] as const,
  )
  const names = lists.flatMap(([field, containers]) =>
    containers.map((container, i) => [`${field}[${i}].name`, textAt(container, 'name')] as const),
  )
  return [
    ...(listAt(spec, 'containers').length === 0 ? [required(`${path}.containers`)] : []),
    ...volumes.flatMap((volume, i) => volumeProblems(volume, `${path}.volumes[${i}]`)),
    ...repeated(volumeNames, (i) => `${path}.volumes[${i}].name`),
    ...names.flatMap(([field, name], i) =>
      names.findIndex(([, other]) => other === name) < i ? [duplicate(field, name)] : [],
    ),
    ...lists.flatMap(([field, containers]) =>
      containers.flatMap((container, i) => containerProblems(container, `${field}[${i}]`, volumeNames)),
    ),
    ...(numberAt(spec, 'terminationGracePeriodSeconds') < 0
      ? [
          invalid(
            `${path}.terminationGracePeriodSeconds`,
            at(spec, 'terminationGracePeriodSeconds'),
            'must be greater than or equal to 0',
          ),
        ]
      : []),
  ]
}

/** The template of a Deployment and its like; `restartPolicies`: those that the owner can live with. */
export function podTemplateProblems(object: ApiObject, restartPolicies: readonly string[]): FieldProblem[] {
  const path = 'spec.template'
  const labels = recordAt(object, 'spec', 'template', 'metadata', 'labels')
  const spec = at(object, 'spec', 'template', 'spec')
  if (spec === undefined) return [required(`${path}.spec`)]
  const restartPolicy = textAt(spec, 'restartPolicy')
  return [
    ...Object.entries(labels).flatMap(([key, value]) =>
      labelPairProblems(key, String(value), `${path}.metadata.labels`),
    ),
    ...podSpecProblems(spec, `${path}.spec`),
    ...(restartPolicies.includes(restartPolicy)
      ? []
      : [notSupported(`${path}.spec.restartPolicy`, restartPolicy, restartPolicies)]),
  ]
}

/** Of a running pod only images, deadlines and tolerations can change. */
export function podChangeProblems(pod: ApiObject, old: ApiObject): FieldProblem[] {
  if (isEqualJson(fixedPart(pod), fixedPart(old))) return []
  const allowed =
    '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'
  return [forbidden('spec', `pod updates may not change fields other than ${allowed}`)]
}

function fixedPart(pod: ApiObject): unknown {
  const spec = { ...recordAt(pod, 'spec') }
  const withoutImages = (list: 'containers' | 'initContainers'): unknown =>
    listAt(spec, list).map((container) => ({ ...recordAt(container), image: '' }))
  // Binding sets the node; gates only go.
  const {
    nodeName: _,
    activeDeadlineSeconds: __,
    tolerations: ___,
    schedulingGates: ____,
    ephemeralContainers: _____,
    ...rest
  } = spec
  return { ...rest, containers: withoutImages('containers'), initContainers: withoutImages('initContainers') }
}

function containerProblems(container: unknown, path: string, volumes: readonly string[]): FieldProblem[] {
  const ports = listAt(container, 'ports')
  const image = textAt(container, 'image')
  return [
    ...labelProblems(textAt(container, 'name'), `${path}.name`),
    ...(image === '' ? [required(`${path}.image`)] : []),
    ...(image !== image.trim()
      ? [invalid(`${path}.image`, image, 'must not have leading or trailing whitespace')]
      : []),
    ...ports.flatMap((port, i) => containerPortProblems(port, `${path}.ports[${i}]`)),
    ...repeated(
      ports.map((port) => textAt(port, 'name')).filter((name) => name !== ''),
      (i) => `${path}.ports[${i}].name`,
    ),
    ...listAt(container, 'env').flatMap((entry, i) => environmentProblems(entry, `${path}.env[${i}]`)),
    ...listAt(container, 'volumeMounts').flatMap((mount, i) =>
      mountProblems(mount, `${path}.volumeMounts[${i}]`, volumes),
    ),
    ...(['livenessProbe', 'readinessProbe', 'startupProbe'] as const).flatMap((name) =>
      probeProblems(at(container, name), `${path}.${name}`),
    ),
  ]
}

function containerPortProblems(port: unknown, path: string): FieldProblem[] {
  const name = textAt(port, 'name')
  const hostPort = at(port, 'hostPort')
  return [
    ...portProblems(at(port, 'containerPort'), `${path}.containerPort`),
    ...(name === '' ? [] : portNameProblems(name, `${path}.name`)),
    ...(hostPort === undefined || hostPort === 0 ? [] : portProblems(hostPort, `${path}.hostPort`)),
  ]
}

function environmentProblems(entry: unknown, path: string): FieldProblem[] {
  const name = textAt(entry, 'name')
  if (!ENVIRONMENT_NAME.test(name))
    return [invalid(`${path}.name`, name, "must consist only of printable ASCII characters other than '='")]
  const isTwice = textAt(entry, 'value') !== '' && at(entry, 'valueFrom') !== undefined
  if (isTwice) return [invalid(`${path}.valueFrom`, '', 'may not be specified when `value` is not empty')]
  const sources = Object.keys(recordAt(entry, 'valueFrom'))
  const needsOne = at(entry, 'valueFrom') !== undefined && sources.length !== 1
  return needsOne
    ? [
        invalid(
          `${path}.valueFrom`,
          '',
          'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
        ),
      ]
    : []
}

function mountProblems(mount: unknown, path: string, volumes: readonly string[]): FieldProblem[] {
  const name = textAt(mount, 'name')
  return [
    ...(volumes.includes(name)
      ? []
      : [
          {
            field: `${path}.name`,
            reason: 'FieldValueNotFound',
            problem: `Not found: ${JSON.stringify(name)}`,
          } as const,
        ]),
    ...(textAt(mount, 'mountPath') === '' ? [required(`${path}.mountPath`)] : []),
  ]
}

function probeProblems(probe: unknown, path: string): FieldProblem[] {
  if (probe === undefined) return []
  const handlers = HANDLERS.filter((handler) => at(probe, handler) !== undefined)
  if (handlers.length === 0) return [required(path, 'must specify a handler type')]
  if (handlers.length > 1) return [forbidden(`${path}.${handlers[1]}`, 'may not specify more than 1 handler type')]
  const port = at(probe, handlers[0] ?? '', 'port')
  return port === undefined ? [] : portOrNameProblems(port, `${path}.${handlers[0]}.port`)
}

function volumeProblems(volume: unknown, path: string): FieldProblem[] {
  const sources = Object.keys(recordAt(volume)).filter((key) => key !== 'name')
  return [
    ...labelProblems(textAt(volume, 'name'), `${path}.name`),
    ...sources.slice(1).map((source) => forbidden(`${path}.${source}`, 'may not specify more than 1 volume type')),
  ]
}
