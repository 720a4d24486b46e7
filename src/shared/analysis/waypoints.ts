import { labelsOf, type MeshObjects, shownObject } from './mesh-objects.ts'
import { isSubset, recordsAt, textAt, textMapAt } from './reading.ts'
import type { AnalysedObject, Finding } from './types.ts'

export const GATEWAY = 'Gateway.gateway.networking.k8s.io'
const USE = 'istio.io/use-waypoint'
const USE_NAMESPACE = 'istio.io/use-waypoint-namespace'
export const FOR = 'istio.io/waypoint-for'
const NONE = 'none'
export const ASKING: readonly string[] = [
  'Namespace',
  'Service',
  'ServiceEntry.networking.istio.io',
  'Pod',
  'WorkloadEntry.networking.istio.io',
]
const HBONE_PORT = 15_008
export const WAYPOINT_CLASSES: readonly string[] = ['istio-waypoint', 'ambit-waypoint']

interface Asked {
  readonly name: string
  readonly namespace: string
}

/** Whether the waypoints that are asked for are there, ready, and take what they are asked for. */
export function* waypoints(mesh: MeshObjects): Generator<Finding> {
  for (const object of ASKING.flatMap((kind) => mesh.of(kind))) yield* askedOf(mesh, object)
  for (const object of mesh.of(GATEWAY)) {
    if (!WAYPOINT_CLASSES.includes(textAt(object.document, 'spec', 'gatewayClassName'))) continue
    const listeners = recordsAt(object.document, 'spec', 'listeners')
    if (!listeners.some(({ port, protocol }) => port === HBONE_PORT && protocol === 'HBONE'))
      yield {
        code: 'AMB0502',
        object,
        path: ['spec', 'listeners'],
        reason: `no listener has port ${HBONE_PORT} and protocol HBONE`,
      }
  }
}

/** The waypoint that a service uses, itself or by its namespace; undefined: none, or it does not exist. */
export function boundWaypoint(mesh: MeshObjects, object: AnalysedObject): AnalysedObject | undefined {
  const asked =
    askedBy(object) ?? (object.kind === 'Namespace' ? undefined : askedBy(mesh.find('Namespace', '', object.namespace)))
  return asked === undefined || asked.name === NONE ? undefined : mesh.find(GATEWAY, asked.namespace, asked.name)
}

function askedBy(object: AnalysedObject | undefined): Asked | undefined {
  const labels = labelsOf(object)
  const name = labels[USE]
  if (object === undefined || name === undefined) return undefined
  const own = object.kind === 'Namespace' ? object.name : object.namespace
  return { name, namespace: labels[USE_NAMESPACE] ?? own }
}

function* askedOf(mesh: MeshObjects, object: AnalysedObject): Generator<Finding> {
  const asked = askedBy(object)
  if (asked === undefined || asked.name === NONE) return
  const path = ['metadata', 'labels', USE]
  const waypoint = mesh.find(GATEWAY, asked.namespace, asked.name)
  if (waypoint === undefined) {
    yield { code: 'AMB0301', object, path, reason: `there is no waypoint ${asked.namespace}/${asked.name}` }
    return
  }
  yield* readiness(object, waypoint, path)
  const forWhat = labelsOf(waypoint)[FOR] ?? 'service'
  const isWorkload = ['Pod', 'WorkloadEntry.networking.istio.io'].includes(object.kind)
  const isTaken = forWhat === 'all' || object.kind === 'Namespace' || forWhat === (isWorkload ? 'workload' : 'service')
  if (!isTaken || forWhat === NONE)
    yield { code: 'AMB0303', object, path, reason: `${shownObject(waypoint)} is for ${forWhat}` }
  const own = object.kind === 'Namespace' ? object.name : object.namespace
  if (asked.namespace !== own && !admits(mesh, waypoint, own))
    yield { code: 'AMB0304', object, path, reason: `${shownObject(waypoint)} does not admit the namespace ${own}` }
}

/** Only where somebody has said so: a file has no status. */
function* readiness(object: AnalysedObject, waypoint: AnalysedObject, path: readonly string[]): Generator<Finding> {
  const programmed = recordsAt(waypoint.document, 'status', 'conditions').find(({ type }) => type === 'Programmed')
  if (programmed === undefined || programmed.status === 'True') return
  yield {
    code: 'AMB0302',
    object,
    path,
    reason: `${shownObject(waypoint)} is not programmed: ${textAt(programmed, 'message') || textAt(programmed, 'reason')}`,
  }
}

function admits(mesh: MeshObjects, waypoint: AnalysedObject, namespace: string): boolean {
  return recordsAt(waypoint.document, 'spec', 'listeners').some((listener) => {
    const from = textAt(listener, 'allowedRoutes', 'namespaces', 'from')
    if (from === 'All') return true
    const labels = textMapAt(listener, 'allowedRoutes', 'namespaces', 'selector', 'matchLabels')
    return from === 'Selector' && isSubset(labels, mesh.namespaceLabels(namespace))
  })
}
