import type { SpiffeId, Workload } from '#shared/model'
import { UNKNOWN } from './metrics.ts'

/** What is known of one end when it is no workload of the mesh but said who it is in its baggage. */
export interface DeclaredParty {
  readonly clusterId: string | undefined
  readonly namespace: string | undefined
  readonly workloadName: string | undefined
  readonly canonicalName: string | undefined
  readonly canonicalRevision: string | undefined
  readonly region: string | undefined
  readonly zone: string | undefined
}

export type Party = Workload | DeclaredParty | undefined

/** Labels about one end, behind `source_` or `destination_`, in the order of `partyValues`. */
export const PARTY_LABELS = [
  'workload',
  'canonical_service',
  'canonical_revision',
  'workload_namespace',
  'principal',
  'app',
  'version',
  'cluster',
] as const

export function partyValues(party: Party, principal: SpiffeId | undefined): string[] {
  const name = known(party?.canonicalName)
  const revision = known(party?.canonicalRevision)
  // A party that only declared itself is called an app by its workload's name (hbone-and-ztunnel d.3).
  const app = party !== undefined && !('uid' in party) ? known(party.workloadName) : name
  return [
    known(party?.workloadName),
    name,
    revision,
    known(party?.namespace),
    known(principal),
    app,
    revision,
    known(party?.clusterId),
  ]
}

export function placeOf(party: Party): readonly [region: string, zone: string] {
  if (party === undefined) return [UNKNOWN, UNKNOWN]
  const { region, zone } = 'uid' in party ? party.locality : party
  return [known(region), known(zone)]
}

/** A label's value: what is not known is called so. */
export function known(value: string | undefined): string {
  return value === undefined || value === '' ? UNKNOWN : value
}
