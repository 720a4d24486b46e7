import { isRecord, type Path } from '#shared/document'
import { type Cidr, cidrContainsBytes, parseCidr } from '#shared/net'
import { labelsOf, type MeshObjects, shownObject } from './mesh-objects.ts'
import { at, recordsAt, textAt, textsAt } from './reading.ts'
import type { AnalysedObject, Finding } from './types.ts'

const KIND = 'ServiceEntry.networking.istio.io'
const ALLOCATE = 'networking.istio.io/enable-autoallocate-ip'
/** Protocols whose connections name their host themselves. */
const NAMING = ['HTTP', 'HTTPS', 'HTTP2', 'GRPC', 'GRPC-WEB', 'TLS', 'HTTP_PROXY']

interface Held {
  readonly object: AnalysedObject
  readonly path: Path
  readonly cidr: Cidr
  readonly text: string
}

/** Services outside of the cluster. */
export function* serviceEntries(mesh: MeshObjects): Generator<Finding> {
  for (const object of mesh.of(KIND)) yield* entryOf(object)
  yield* overlaps(mesh)
  yield* hostsOf(mesh)
}

function* entryOf(object: AnalysedObject): Generator<Finding> {
  const { document } = object
  const ports = recordsAt(document, 'spec', 'ports')
  const resolution = textAt(document, 'spec', 'resolution') || 'NONE'
  const addresses = textsAt(document, 'spec', 'addresses')
  if (ports.length === 0) yield { code: 'AMB0601', object, path: ['spec'], reason: 'it has no ports' }
  const isAllocated = resolution !== 'NONE' && labelsOf(object)[ALLOCATE]?.toLowerCase() !== 'false'
  for (const [i, port] of ports.entries()) {
    const protocol = textAt(port, 'protocol').toUpperCase()
    if (addresses.length === 0 && !isAllocated && !NAMING.includes(protocol))
      yield {
        code: 'IST0134',
        object,
        path: ['spec', 'ports', i],
        reason: `port ${String(port.number)} carries ${protocol || 'any protocol'}, and the entry has no address`,
      }
  }
  const endpoints = recordsAt(document, 'spec', 'endpoints')
  if (resolution === 'STATIC' && endpoints.length === 0 && !isRecord(at(document, 'spec', 'workloadSelector')))
    yield {
      code: 'AMB0604',
      object,
      path: ['spec', 'resolution'],
      reason: 'it has neither endpoints nor workloadSelector',
    }
}

function* overlaps(mesh: MeshObjects): Generator<Finding> {
  const entries = mesh.of(KIND).flatMap((object) => addressesOf(object, ['spec', 'addresses']))
  const all = [...entries, ...mesh.of('Service').flatMap((object) => addressesOf(object, ['spec', 'clusterIPs']))]
  for (const { object, path, cidr, text } of entries) {
    const other = all.find((each) => each.object !== object && isOverlapping(each.cidr, cidr))
    if (other !== undefined)
      yield { code: 'AMB0602', object, path, reason: `${text} overlaps ${other.text} of ${shownObject(other.object)}` }
  }
}

function addressesOf(object: AnalysedObject, path: readonly string[]): readonly Held[] {
  return textsAt(object.document, ...path).flatMap((text, i) => {
    const cidr = parseCidr(text)
    return cidr === undefined ? [] : { object, path: [...path, i], cidr, text }
  })
}

function isOverlapping(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && (cidrContainsBytes(a, b.network) || cidrContainsBytes(b, a.network))
}

function* hostsOf(mesh: MeshObjects): Generator<Finding> {
  for (const [host, same] of Map.groupBy(mesh.destinations, (each) => each.host)) {
    const objects = [...new Set(same.map(({ object }) => object))]
    if (objects.length < 2) continue
    for (const object of objects.filter(({ kind }) => kind === KIND)) {
      const others = objects.filter((other) => other !== object).map(shownObject)
      yield { code: 'AMB0603', object, path: ['spec', 'hosts'], reason: `${host} is also of ${others.join(', ')}` }
    }
  }
}
