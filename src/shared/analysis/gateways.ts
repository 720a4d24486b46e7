import { isDeepStrictEqual } from 'node:util'
import type { Path } from '#shared/document'
import { type MeshObjects, shownObject } from './mesh-objects.ts'
import { at, recordsAt, textAt, textsAt } from './reading.ts'
import type { AnalysedObject, Finding, Json } from './types.ts'
import { GATEWAY, WAYPOINT_CLASSES } from './waypoints.ts'

const GROUP = 'gateway.networking.k8s.io'
const HTTP_ROUTE = `HTTPRoute.${GROUP}`
const ROUTES = ['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'].map((kind) => `${kind}.${GROUP}`)
/** Those that a control plane brings along itself. */
const OWN_CLASSES = [...WAYPOINT_CLASSES, 'istio', 'istio-remote', 'istio-east-west']

/** Gateways and the routes of the Gateway API. */
export function* gateways(mesh: MeshObjects): Generator<Finding> {
  for (const object of mesh.of(GATEWAY)) {
    const name = textAt(object.document, 'spec', 'gatewayClassName')
    if (OWN_CLASSES.includes(name) || mesh.find(`GatewayClass.${GROUP}`, '', name) !== undefined) continue
    const reason = name === '' ? 'it has no class' : `there is no GatewayClass ${name}`
    yield { code: 'AMB0501', object, path: ['spec', 'gatewayClassName'], reason }
  }
  for (const object of ROUTES.flatMap((kind) => mesh.of(kind))) {
    yield* parentsOf(mesh, object)
    yield* backendsOf(mesh, object)
  }
  yield* conflicts(mesh)
}

function* parentsOf(mesh: MeshObjects, object: AnalysedObject): Generator<Finding> {
  for (const [i, parent] of recordsAt(object.document, 'spec', 'parentRefs').entries()) {
    const { kind, namespace, name } = parentOf(parent, object)
    if (mesh.find(kind, namespace, name) === undefined)
      yield {
        code: 'IST0101',
        object,
        path: ['spec', 'parentRefs', i],
        reason: `there is no ${kind.split('.')[0]} ${namespace}/${name}`,
      }
  }
}

function parentOf(parent: Json, { namespace }: AnalysedObject) {
  const group = at(parent, 'group') === undefined ? GROUP : textAt(parent, 'group')
  const kind = textAt(parent, 'kind') || 'Gateway'
  return {
    kind: group === '' || group === 'core' ? kind : `${kind}.${group}`,
    namespace: textAt(parent, 'namespace') || namespace,
    name: textAt(parent, 'name'),
  }
}

function* backendsOf(mesh: MeshObjects, object: AnalysedObject): Generator<Finding> {
  for (const [i, rule] of recordsAt(object.document, 'spec', 'rules').entries()) {
    const backends = recordsAt(rule, 'backendRefs')
    for (const [j, backend] of backends.entries())
      yield* backendOf(mesh, object, backend, ['spec', 'rules', i, 'backendRefs', j])
    if (backends.length > 0 && backends.every(({ weight }) => weight === 0))
      yield {
        code: 'AMB0102',
        object,
        path: ['spec', 'rules', i, 'backendRefs'],
        reason: 'no backend has a weight above 0',
      }
  }
}

function* backendOf(mesh: MeshObjects, object: AnalysedObject, backend: Json, path: Path): Generator<Finding> {
  const kind = textAt(backend, 'kind') || 'Service'
  if (kind !== 'Service' || textAt(backend, 'group') !== '') return
  const namespace = textAt(backend, 'namespace') || object.namespace
  const name = textAt(backend, 'name')
  const service = mesh.find('Service', namespace, name)
  if (service === undefined) {
    yield { code: 'IST0101', object, path, reason: `there is no Service ${namespace}/${name}` }
    return
  }
  const ports = recordsAt(service.document, 'spec', 'ports').map(({ port }) => port)
  if (backend.port === undefined)
    yield { code: 'IST0112', object, path, reason: `it names no port of ${shownObject(service)}` }
  else if (!ports.includes(backend.port))
    yield {
      code: 'IST0101',
      object,
      path: [...path, 'port'],
      reason: `${shownObject(service)} has no port ${String(backend.port)}`,
    }
  if (namespace !== object.namespace && !isGranted(mesh, object, service))
    yield {
      code: 'AMB0503',
      object,
      path,
      reason: `no ReferenceGrant in ${namespace} lets ${shownObject(object)} refer to ${shownObject(service)}`,
    }
}

function isGranted(mesh: MeshObjects, route: AnalysedObject, service: AnalysedObject): boolean {
  const [kind = '', ...group] = route.kind.split('.')
  return mesh
    .of(`ReferenceGrant.${GROUP}`)
    .some(
      ({ namespace, document }) =>
        namespace === service.namespace &&
        recordsAt(document, 'spec', 'from').some(
          (from) => from.group === group.join('.') && from.kind === kind && from.namespace === route.namespace,
        ) &&
        recordsAt(document, 'spec', 'to').some(
          (to) => to.kind === 'Service' && (to.name === undefined || to.name === service.name),
        ),
    )
}

interface Claim {
  readonly object: AnalysedObject
  readonly path: Path
  readonly match: Json
  readonly hosts: readonly string[]
  readonly parent: string
}

function* conflicts(mesh: MeshObjects): Generator<Finding> {
  const claims = mesh.of(HTTP_ROUTE).flatMap(claimsOf)
  for (const same of Map.groupBy(claims, ({ parent }) => parent).values())
    for (const claim of same) {
      const other = same.find(
        (each) => each.object !== claim.object && isSame(each, claim) && isOlder(each.object, claim.object),
      )
      if (other !== undefined)
        yield {
          code: 'AMB0504',
          object: claim.object,
          path: claim.path,
          reason: `${shownObject(other.object)} has this match too, and is older`,
        }
    }
}

function claimsOf(object: AnalysedObject): readonly Claim[] {
  const hosts = textsAt(object.document, 'spec', 'hostnames')
  return recordsAt(object.document, 'spec', 'parentRefs').flatMap((reference) => {
    const parent = JSON.stringify([parentOf(reference, object), reference.sectionName, reference.port])
    return recordsAt(object.document, 'spec', 'rules').flatMap((rule, i) => {
      const matches = recordsAt(rule, 'matches')
      const path: Path = ['spec', 'rules', i]
      // A rule without matches takes what begins with /.
      const everything: Claim = { object, parent, hosts, path, match: { path: { type: 'PathPrefix', value: '/' } } }
      return matches.length === 0
        ? [everything]
        : matches.map((match, j) => ({ ...everything, match, path: [...path, 'matches', j] }))
    })
  })
}

function isSame(a: Claim, b: Claim): boolean {
  const share = a.hosts.length === 0 ? b.hosts.length === 0 : a.hosts.some((host) => b.hosts.includes(host))
  return share && isDeepStrictEqual(a.match, b.match)
}

/** As the Gateway API decides: by age, then by name. */
function isOlder(a: AnalysedObject, b: AnalysedObject): boolean {
  const key = ({ document, namespace, name }: AnalysedObject): readonly string[] => [
    textAt(document, 'metadata', 'creationTimestamp'),
    `${namespace}/${name}`,
  ]
  const [[timeA = '', nameA = ''], [timeB = '', nameB = '']] = [key(a), key(b)]
  return timeA === timeB ? nameA < nameB : timeA < timeB
}
