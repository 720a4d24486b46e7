import type { MeshObjects } from './mesh-objects.ts'
import { recordsAt, textAt } from './reading.ts'
import type { Finding, Json } from './types.ts'

/** What controllers of the mesh write, and which state means trouble. */
const WANTED: Readonly<Record<string, string>> = {
  'istio.io/WaypointBound': 'True',
  WaypointBound: 'True',
  ZtunnelAccepted: 'True',
  WaypointAccepted: 'True',
  Accepted: 'True',
  ResolvedRefs: 'True',
  Programmed: 'True',
  Conflicted: 'False',
}

/** What objects say of themselves, in a cluster. */
export function* statusConditions(mesh: MeshObjects): Generator<Finding> {
  for (const object of mesh.all) {
    const { document } = object
    for (const [i, condition] of recordsAt(document, 'status', 'conditions').entries())
      if (isTrouble(condition))
        yield { code: 'AMB0307', object, path: ['status', 'conditions', i], reason: shown(condition) }
    for (const [i, parent] of recordsAt(document, 'status', 'parents').entries())
      for (const [j, condition] of recordsAt(parent, 'conditions').entries())
        if (isTrouble(condition))
          yield { code: 'AMB0307', object, path: ['status', 'parents', i, 'conditions', j], reason: shown(condition) }
  }
}

function isTrouble(condition: Json): boolean {
  const wanted = WANTED[textAt(condition, 'type')]
  const { status } = condition
  return wanted !== undefined && (status === 'True' || status === 'False') && status !== wanted
}

function shown(condition: Json): string {
  const [type, status, reason, message] = ['type', 'status', 'reason', 'message'].map((key) => textAt(condition, key))
  return [`${type}=${status}`, reason, message].filter((part) => part !== '').join(', ')
}
