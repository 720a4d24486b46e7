import { type MeshObjects, shownObject, type Workload } from './mesh-objects.ts'
import { recordsAt, textAt, textMapAt } from './reading.ts'
import type { AnalysedObject, Finding, Json } from './types.ts'

const PROTOCOLS = [
  'http',
  'http2',
  'https',
  'grpc',
  'grpc-web',
  'tcp',
  'tls',
  'udp',
  'mongo',
  'mysql',
  'redis',
  'thrift',
  'hbone',
]

/** Never in the mesh, and nobody's to change. */
const OUTSIDE = ['kube-system']

interface ServedPort {
  readonly service: AnalysedObject
  readonly port: number
  readonly target: string
  readonly protocol: string
}

/** Whether services have workloads, and their ports say what they carry and where they lead. */
export function* services(mesh: MeshObjects): Generator<Finding> {
  for (const object of mesh.of('Service')) {
    const isSelecting = Object.keys(textMapAt(object.document, 'spec', 'selector')).length > 0
    const pods = mesh.podsOf(object)
    if (isSelecting && pods.length === 0 && mesh.workloads.length > 0)
      yield {
        code: 'AMB0401',
        object,
        path: ['spec', 'selector'],
        reason: `no workload in ${object.namespace} has all of its labels`,
      }
    yield* portsOf(object, pods)
  }
  for (const workload of mesh.workloads) yield* sharedBy(mesh, workload)
}

function* portsOf(object: AnalysedObject, pods: readonly Workload[]): Generator<Finding> {
  for (const [i, port] of recordsAt(object.document, 'spec', 'ports').entries()) {
    const path = ['spec', 'ports', i]
    if (port.protocol === 'UDP') continue
    const name = textAt(port, 'name')
    const isOutside = OUTSIDE.includes(object.namespace)
    if (!isOutside && textAt(port, 'appProtocol') === '' && protocolOf(name) === '')
      yield {
        code: 'IST0118',
        object,
        path,
        reason: `port ${String(port.port)} ${name === '' ? 'has no name' : `is called ${name}`} and has no appProtocol`,
      }
    const target = textAt(port, 'targetPort')
    if (target === '' || pods.length === 0) continue
    const names = pods.flatMap(({ spec }) => containerPorts(spec).map((each) => textAt(each, 'name')))
    if (!names.includes(target))
      yield {
        code: 'AMB0402',
        object,
        path: [...path, 'targetPort'],
        reason: `no container of its pods has a port called ${target}`,
      }
  }
}

/** `http-web` is http; empty when the name tells none. */
function protocolOf(name: string): string {
  return PROTOCOLS.findLast((protocol) => name === protocol || name.startsWith(`${protocol}-`)) ?? ''
}

function containerPorts(spec: Json): readonly Json[] {
  return [...recordsAt(spec, 'containers'), ...recordsAt(spec, 'initContainers')].flatMap((each) =>
    recordsAt(each, 'ports'),
  )
}

function* sharedBy(mesh: MeshObjects, workload: Workload): Generator<Finding> {
  // Pods tell the same as what made them.
  if (workload.object.kind === 'Pod' && recordsAt(workload.object.document, 'metadata', 'ownerReferences').length > 0)
    return
  const ports = mesh.servicesOf(workload).flatMap(servedPorts)
  const { object } = workload
  for (const [port, same] of Map.groupBy(ports, (each) => each.port)) {
    if (new Set(same.map(({ protocol }) => protocol)).size < 2) continue
    const shown = same.map(({ service, protocol }) => `${shownObject(service)} (${protocol || 'none'})`)
    yield { code: 'IST0116', object, path: [], reason: `port ${port} has several protocols: ${shown.join(', ')}` }
  }
  for (const [target, same] of Map.groupBy(ports, (each) => each.target)) {
    if (new Set(same.map(({ port }) => port)).size < 2 || new Set(same.map(({ service }) => service)).size < 2) continue
    const shown = same.map(({ service, port }) => `${shownObject(service)} (${port})`)
    yield { code: 'IST0137', object, path: [], reason: `target port ${target} has several ports: ${shown.join(', ')}` }
  }
}

function servedPorts(service: AnalysedObject): readonly ServedPort[] {
  return recordsAt(service.document, 'spec', 'ports').flatMap((each) => {
    const { port, targetPort } = each
    if (typeof port !== 'number' || each.protocol === 'UDP') return []
    const target = typeof targetPort === 'number' || typeof targetPort === 'string' ? String(targetPort) : String(port)
    return { service, port, target, protocol: textAt(each, 'appProtocol') || protocolOf(textAt(each, 'name')) }
  })
}
