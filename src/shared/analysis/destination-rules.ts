import { isRecord, type Path } from '#shared/document'
import { MESH_NAMESPACE, type MeshObjects, shownObject, type Workload, wholeHost } from './mesh-objects.ts'
import { at, isSubset, recordAt, recordsAt, textAt, textMapAt } from './reading.ts'
import type { AnalysedObject, Finding } from './types.ts'

const PEER_AUTHENTICATION = 'PeerAuthentication.security.istio.io'
/** Connections without the mesh's own identity. */
const OTHER_TLS = ['DISABLE', 'SIMPLE', 'MUTUAL']

/** Which services DestinationRules speak of, and whether their connections are taken and proven. */
export function* destinationRules(mesh: MeshObjects): Generator<Finding> {
  for (const object of mesh.of('DestinationRule.networking.istio.io')) {
    const { document, namespace } = object
    const host = textAt(document, 'spec', 'host')
    const path: Path = ['spec', 'trafficPolicy', 'tls']
    yield* unproven(object)
    if (host === '' || host.includes('*')) continue
    const found = mesh.destination(host, namespace)
    if (found === undefined) {
      yield {
        code: 'IST0101',
        object,
        path: ['spec', 'host'],
        reason: `there is no service with the host ${wholeHost(host, namespace)}`,
      }
      continue
    }
    const pods = mesh.podsOf(found.object)
    yield* subsets(object, found.host, pods)
    const mode = textAt(document, ...path, 'mode')
    if (OTHER_TLS.includes(mode)) {
      const strict = pods.map((pod) => strictFor(mesh, pod)).find((policy) => policy !== undefined)
      if (strict !== undefined)
        yield {
          code: 'IST0113',
          object,
          path: [...path, 'mode'],
          reason: `it is ${mode}, and ${shownObject(strict)} wants mTLS for ${found.host}`,
        }
    }
  }
}

function* subsets(object: AnalysedObject, host: string, pods: readonly Workload[]): Generator<Finding> {
  // A service without pods is told of by itself.
  if (pods.length === 0) return
  for (const [i, subset] of recordsAt(object.document, 'spec', 'subsets').entries()) {
    const labels = textMapAt(subset, 'labels')
    if (pods.some((pod) => isSubset(labels, pod.labels))) continue
    const shown = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
    yield {
      code: 'AMB0101',
      object,
      path: ['spec', 'subsets', i, 'labels'],
      reason: `no pod of ${host} has ${shown.join(', ')}`,
    }
  }
}

function* unproven(object: AnalysedObject): Generator<Finding> {
  const policy = at(object.document, 'spec', 'trafficPolicy')
  const isUnproven = (value: unknown): boolean => at(value, 'tls', 'insecureSkipVerify') === true
  const reason = 'insecureSkipVerify takes any certificate'
  if (isUnproven(policy))
    yield { code: 'IST0128', object, path: ['spec', 'trafficPolicy', 'tls', 'insecureSkipVerify'], reason }
  for (const [i, port] of recordsAt(policy, 'portLevelSettings').entries())
    if (isUnproven(port))
      yield {
        code: 'IST0129',
        object,
        path: ['spec', 'trafficPolicy', 'portLevelSettings', i, 'tls', 'insecureSkipVerify'],
        reason,
      }
}

/** The PeerAuthentication that counts for a workload, when it wants mTLS: its own, else its namespace's, else the mesh's. */
function strictFor(mesh: MeshObjects, workload: Workload): AnalysedObject | undefined {
  const all = mesh.of(PEER_AUTHENTICATION)
  const selectorOf = ({ document }: AnalysedObject): unknown => at(document, 'spec', 'selector')
  const levels = [
    all.filter(
      (each) =>
        each.namespace === workload.namespace &&
        isRecord(selectorOf(each)) &&
        isSubset(textMapAt(selectorOf(each), 'matchLabels'), workload.labels),
    ),
    all.filter((each) => each.namespace === workload.namespace && !isRecord(selectorOf(each))),
    all.filter((each) => each.namespace === MESH_NAMESPACE && !isRecord(selectorOf(each))),
  ]
  for (const level of levels) {
    const deciding = level.find(
      ({ document }) => !['', 'UNSET'].includes(textAt(recordAt(document, 'spec', 'mtls'), 'mode')),
    )
    if (deciding !== undefined)
      return textAt(deciding.document, 'spec', 'mtls', 'mode') === 'STRICT' ? deciding : undefined
  }
  return undefined
}
