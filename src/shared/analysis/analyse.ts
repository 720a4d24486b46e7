import { CHECKS } from './check-table.ts'
import { deprecations } from './deprecations.ts'
import { destinationRules } from './destination-rules.ts'
import { enrolment } from './enrolment.ts'
import { gateways } from './gateways.ts'
import { annotationsOf, MeshObjects } from './mesh-objects.ts'
import { notHonoured } from './not-honoured.ts'
import { policies } from './policies.ts'
import { retries } from './retries.ts'
import { serviceEntries } from './service-entries.ts'
import { services } from './services.ts'
import { statusConditions } from './status-conditions.ts'
import { type AnalysedObject, type Finding, SEVERITIES } from './types.ts'
import { virtualServices } from './virtual-services.ts'
import { waypoints } from './waypoints.ts'

/** Each looks at the set as a whole and changes nothing. */
const FAMILIES = [
  virtualServices,
  destinationRules,
  gateways,
  retries,
  policies,
  waypoints,
  enrolment,
  services,
  serviceEntries,
  deprecations,
  notHonoured,
  statusConditions,
] as const

/** Istio's, by which an object says which findings it does not want to hear: codes, or `*`. */
const SUPPRESS = 'galley.istio.io/analyze-suppress'

/**
 * What is wrong in a set of objects, the worst first. What does not stand in the set does not exist for it: a set must hold
 * what its objects refer to.
 */
export function analyse(objects: readonly AnalysedObject[]): readonly Finding[] {
  const mesh = new MeshObjects(objects)
  const found = FAMILIES.flatMap((family) => [...family(mesh)]).filter((finding) => !isSuppressed(finding))
  const rank = ({ code }: Finding): number => SEVERITIES.indexOf(CHECKS[code].severity)
  const key = ({ code, object }: Finding): string => `${object.namespace}/${object.kind}/${object.name}/${code}`
  return found.sort((a, b) => rank(a) - rank(b) || (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
}

function isSuppressed({ code, object }: Finding): boolean {
  const codes = (annotationsOf(object)[SUPPRESS] ?? '').split(',').map((each) => each.trim())
  return codes.includes('*') || codes.includes(code)
}
