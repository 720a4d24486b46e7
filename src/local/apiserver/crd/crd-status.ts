import type { ResourceRegistry } from '../definition-types.ts'
import type { Crd, CrdCondition, CrdNames, CrdStatus } from './crd-types.ts'

/** The names that are used when a CRD leaves them out. */
export function withDefaultNames(names: CrdNames): CrdNames {
  return {
    ...names,
    singular: names.singular ?? names.kind.toLowerCase(),
    listKind: names.listKind ?? `${names.kind}List`,
  }
}

/** Whether its objects are served. */
export function isEstablished(crd: Crd): boolean {
  return crd.status?.conditions.some(({ type, status }) => type === 'Established' && status === 'True') ?? false
}

/** What the server says of a CRD: whether its names are free in its group, and so whether it is served. */
export function crdStatus(crd: Crd, old: Crd | undefined, registry: ResourceRegistry, nowMs: number): CrdStatus {
  const taken = takenName(crd, registry)
  const accepted: Fact =
    taken === undefined
      ? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
      : { type: 'NamesAccepted', status: 'False', reason: taken.reason, message: `"${taken.name}" is already in use` }
  const established: Fact =
    taken === undefined || (old !== undefined && isEstablished(old))
      ? {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        }
      : { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' }
  const going = crd.metadata.deletionTimestamp === undefined ? [] : [terminating(crd)]
  const storage = crd.spec.versions.find((version) => version.storage)?.name ?? ''
  return {
    acceptedNames: taken === undefined ? crd.spec.names : (old?.status?.acceptedNames ?? { plural: '', kind: '' }),
    conditions: [accepted, established, ...going].map((fact) => timed(fact, old, nowMs)),
    storedVersions: [...new Set([...(old?.status?.storedVersions ?? []), storage])],
  }
}

/** The clean-up may have said already why it takes long. */
function terminating(crd: Crd): Fact {
  const told = crd.status?.conditions.find(({ type }) => type === 'Terminating')
  const message = 'CustomResource deletion is in progress'
  return told ?? { type: 'Terminating', status: 'True', reason: 'InstanceDeletionInProgress', message }
}

type Fact = Omit<CrdCondition, 'lastTransitionTime'>

/** Keeps the time of a condition that has not changed. */
function timed(fact: Fact, old: Crd | undefined, nowMs: number): CrdCondition {
  const before = old?.status?.conditions.find(({ type }) => type === fact.type)
  const isSame = before !== undefined && before.status === fact.status
  const now = `${new Date(nowMs).toISOString().slice(0, 19)}Z`
  return { ...fact, lastTransitionTime: isSame ? before.lastTransitionTime : now }
}

/** A name of the CRD that another resource of its group has already. */
function takenName(
  crd: Crd,
  registry: ResourceRegistry,
): { readonly name: string; readonly reason: string } | undefined {
  const { group, names } = crd.spec
  const others = registry.definitions().filter((each) => each.group === group && each.plural !== names.plural)
  const builtin = registry.find(group, names.plural)
  if (builtin?.origin === 'builtin') return { name: names.plural, reason: 'PluralConflict' }
  const used = new Set(others.flatMap(({ plural, singular, shortNames }) => [plural, singular, ...shortNames]))
  const kinds = new Set(others.flatMap(({ kind, listKind }) => [kind, listKind]))
  const singular = names.singular ?? names.kind.toLowerCase()
  if (used.has(names.plural)) return { name: names.plural, reason: 'PluralConflict' }
  if (used.has(singular)) return { name: singular, reason: 'SingularConflict' }
  const short = names.shortNames?.find((name) => used.has(name))
  if (short !== undefined) return { name: short, reason: 'ShortNamesConflict' }
  if (kinds.has(names.kind)) return { name: names.kind, reason: 'KindConflict' }
  return undefined
}
