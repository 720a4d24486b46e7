import { isRecord, type Path } from '#shared/document'
import { MESH_NAMESPACE, type MeshObjects, shownObject, type Workload } from './mesh-objects.ts'
import { at, recordsAt, textAt, textMapAt, textsAt } from './reading.ts'
import type { AnalysedObject, Finding, Json } from './types.ts'
import { boundWaypoint } from './waypoints.ts'

const AUTHORIZATION = 'AuthorizationPolicy.security.istio.io'
const PEER = 'PeerAuthentication.security.istio.io'
const REQUEST = 'RequestAuthentication.security.istio.io'
const SELECTING = [AUTHORIZATION, PEER, REQUEST, 'Telemetry.telemetry.istio.io']
/** Fields of a rule that only who reads HTTP can tell (istio-control-plane b.6). */
const HTTP_OPERATION = ['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths']
const HTTP_SOURCE = ['requestPrincipals', 'notRequestPrincipals', 'remoteIpBlocks', 'notRemoteIpBlocks']
const TUNNEL_KEYS = [
  'source.ip',
  'source.namespace',
  'source.principal',
  'source.serviceAccount',
  'source.trustDomain',
  'destination.ip',
  'destination.port',
]
const PRINCIPALS = ['principals', 'notPrincipals']

/** Whether policies are bound to anything, and to somebody who can enforce them. */
export function* policies(mesh: MeshObjects): Generator<Finding> {
  for (const object of SELECTING.flatMap((kind) => mesh.of(kind))) {
    yield* selectorOf(mesh, object)
    yield* targetsOf(mesh, object)
  }
  for (const object of mesh.of(AUTHORIZATION)) yield* authorization(mesh, object)
  for (const object of mesh.of(REQUEST)) {
    const bound = boundWorkloads(mesh, object).find((workload) => mesh.isAmbient(workload))
    if (!hasTargets(object) && bound !== undefined)
      yield { code: 'AMB0203', object, path: ['spec'], reason: `${shownObject(bound.object)} is in the ambient mesh` }
  }
  yield* peerAuthentications(mesh)
}

function* selectorOf(mesh: MeshObjects, object: AnalysedObject): Generator<Finding> {
  const labels = textMapAt(object.document, 'spec', 'selector', 'matchLabels')
  const entries = Object.entries(labels)
  // A set without workloads, as of policies alone, says nothing about selectors.
  if (entries.length === 0 || mesh.workloads.length === 0) return
  if (mesh.selected(object.namespace, labels).length > 0) return
  const shown = entries.map(([key, value]) => `${key}=${value}`).join(', ')
  yield {
    code: 'IST0127',
    object,
    path: ['spec', 'selector', 'matchLabels'],
    reason: `no workload in ${object.namespace} has ${shown}`,
  }
}

function* targetsOf(mesh: MeshObjects, object: AnalysedObject): Generator<Finding> {
  for (const [i, target] of recordsAt(object.document, 'spec', 'targetRefs').entries()) {
    const path: Path = ['spec', 'targetRefs', i]
    const [group, kind, name] = [textAt(target, 'group'), textAt(target, 'kind'), textAt(target, 'name')]
    const found = mesh.find(
      group === '' || group === 'core' ? kind : `${kind}.${group}`,
      kind === 'GatewayClass' ? '' : object.namespace,
      name,
    )
    // Classes of waypoints are there without an object.
    if (kind === 'GatewayClass' && found === undefined) continue
    if (found === undefined)
      yield { code: 'IST0101', object, path, reason: `there is no ${kind} ${object.namespace}/${name}` }
    else if (['Service', 'ServiceEntry'].includes(kind) && boundWaypoint(mesh, found) === undefined)
      yield { code: 'AMB0202', object, path, reason: `${shownObject(found)} uses no waypoint` }
  }
}

function* authorization(mesh: MeshObjects, object: AnalysedObject): Generator<Finding> {
  const { document } = object
  const action = textAt(document, 'spec', 'action') || 'ALLOW'
  const rules = recordsAt(document, 'spec', 'rules')
  if (['DENY', 'CUSTOM'].includes(action) && rules.length === 0)
    yield { code: 'AMB0204', object, path: ['spec'], reason: `it has the action ${action} and no rules` }
  yield* sources(mesh, object, rules)
  const bound = hasTargets(object)
    ? undefined
    : boundWorkloads(mesh, object).find((workload) => mesh.isAmbient(workload))
  if (bound === undefined) return
  for (const [i, rule] of rules.entries())
    for (const path of httpFields(rule))
      yield {
        code: 'AMB0201',
        object,
        path: ['spec', 'rules', i, ...path],
        reason: `${shownObject(bound.object)} is in the ambient mesh; ${consequence(action)}`,
      }
}

function consequence(action: string): string {
  return action === 'ALLOW'
    ? 'the rule is left out, and allows nobody'
    : 'the field is left out: the rule matches more, or never where its list holds nothing else'
}

function* sources(mesh: MeshObjects, object: AnalysedObject, rules: readonly Json[]): Generator<Finding> {
  const knowsNamespaces = mesh.of('Namespace').length > 0
  for (const [i, rule] of rules.entries())
    for (const [j, from] of recordsAt(rule, 'from').entries()) {
      const path: Path = ['spec', 'rules', i, 'from', j, 'source']
      for (const field of PRINCIPALS)
        for (const [k, principal] of textsAt(from, 'source', field).entries())
          if (principal.startsWith('spiffe://'))
            yield {
              code: 'AMB0205',
              object,
              path: [...path, field, k],
              reason: `${principal} is compared without its scheme`,
            }
      for (const [k, namespace] of textsAt(from, 'source', 'namespaces').entries())
        if (knowsNamespaces && !namespace.includes('*') && mesh.find('Namespace', '', namespace) === undefined)
          yield {
            code: 'IST0101',
            object,
            path: [...path, 'namespaces', k],
            reason: `there is no namespace ${namespace}`,
          }
    }
}

function httpFields(rule: Json): readonly Path[] {
  const found: Path[] = []
  for (const [i, from] of recordsAt(rule, 'from').entries())
    for (const field of HTTP_SOURCE)
      if (textsAt(from, 'source', field).length > 0) found.push(['from', i, 'source', field])
  for (const [i, to] of recordsAt(rule, 'to').entries())
    for (const field of HTTP_OPERATION)
      if (textsAt(to, 'operation', field).length > 0) found.push(['to', i, 'operation', field])
  for (const [i, when] of recordsAt(rule, 'when').entries())
    if (!TUNNEL_KEYS.includes(textAt(when, 'key'))) found.push(['when', i, 'key'])
  return found
}

function* peerAuthentications(mesh: MeshObjects): Generator<Finding> {
  const all = mesh.of(PEER)
  for (const object of all)
    if (isRecord(at(object.document, 'spec', 'portLevelMtls')) && !isRecord(at(object.document, 'spec', 'selector')))
      yield { code: 'AMB0206', object, path: ['spec', 'portLevelMtls'], reason: 'it has no selector' }
  const scopeOf = ({ namespace, document }: AnalysedObject): string =>
    JSON.stringify([namespace, Object.entries(textMapAt(document, 'spec', 'selector', 'matchLabels')).sort()])
  for (const same of Map.groupBy(all, scopeOf).values()) {
    if (same.length < 2) continue
    for (const object of same) {
      const others = same.filter((other) => other !== object).map(shownObject)
      yield {
        code: 'AMB0207',
        object,
        path: ['spec', 'selector'],
        reason: `${others.join(', ')} speaks of the same workloads`,
      }
    }
  }
}

function hasTargets({ document }: AnalysedObject): boolean {
  return recordsAt(document, 'spec', 'targetRefs').length > 0 || isRecord(at(document, 'spec', 'targetRef'))
}

function boundWorkloads(mesh: MeshObjects, { namespace, document }: AnalysedObject): readonly Workload[] {
  const labels = textMapAt(document, 'spec', 'selector', 'matchLabels')
  return mesh.selected(namespace, labels).filter((each) => namespace !== MESH_NAMESPACE || each.namespace !== namespace)
}
