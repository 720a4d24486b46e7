import { isRecord } from '#shared/document'
import { type FieldNote, meshKinds, readApiObject } from '#shared/k8s'
import { analysedKind } from './kinds.ts'
import type { MeshObjects } from './mesh-objects.ts'
import { at } from './reading.ts'
import type { AnalysedObject, Finding } from './types.ts'

/** Kinds of Istio and the Gateway API that this mesh does not serve. */
export const UNSERVED: Readonly<Record<string, string>> = {
  'WorkloadGroup.networking.istio.io': 'nothing registers workloads here: write a WorkloadEntry for each',
  'EnvoyFilter.networking.istio.io': 'no proxy of this mesh is Envoy',
  'WasmPlugin.extensions.istio.io': 'no proxy of this mesh runs plugins',
  'ProxyConfig.networking.istio.io': 'proxies have their settings from their environment',
  'BackendTLSPolicy.gateway.networking.k8s.io': 'write a DestinationRule with trafficPolicy.tls',
}

const READERS = new Map(
  meshKinds.map((reader) => [analysedKind(reader.apiVersions[0], reader.documentKind ?? reader.kind), reader]),
)

/** What Istio would do, and this mesh does not; the status of the object says the same once a waypoint is told of it. */
export function* notHonoured(mesh: MeshObjects): Generator<Finding> {
  for (const object of mesh.all) {
    const unserved = UNSERVED[object.kind]
    if (unserved !== undefined) yield { code: 'AMB0802', object, path: [], reason: unserved }
    for (const { path, reason } of notesOf(object))
      yield { code: 'AMB0801', object, path: [path], reason: `is not supported: ${reason}` }
  }
}

/** Of an object that cannot be read at all there are none. */
function notesOf({ kind, document }: AnalysedObject): readonly FieldNote[] {
  const reader = READERS.get(kind)
  if (reader === undefined) return []
  const read = readApiObject(document, reader)
  const notes = at(read, 'object', 'spec', 'notes')
  return Array.isArray(notes) ? notes.filter(isNote) : []
}

function isNote(value: unknown): value is FieldNote {
  return isRecord(value) && typeof value.path === 'string' && typeof value.reason === 'string'
}
