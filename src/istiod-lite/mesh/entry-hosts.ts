import {
  type EntryVisibility,
  matchesSelector,
  type Namespace,
  objectKey,
  type ServiceEntry,
  type VisibilityRules,
} from '#shared/k8s'
import type { Service } from '#shared/model'
import { isOlder } from './age.ts'

/** A host that a ServiceEntry asks for. */
export interface EntryHost {
  /** `namespace/name` of the entry. */
  readonly entry: string
  readonly namespace: string
  readonly name: string
  readonly creationTimestamp: string | undefined
  readonly hostname: string
  readonly visibility: Service['visibility']
}

export interface HostClaim extends EntryHost {
  readonly outcome: HostOutcome
}

export type HostOutcome =
  /** `canonical`: also for clients of other namespaces, unless their own has one. */
  | { readonly kind: 'held'; readonly canonical: boolean }
  /** To another object of its namespace. */
  | { readonly kind: 'lost'; readonly to: string }

export function hostKey({ entry, hostname }: Pick<EntryHost, 'entry' | 'hostname'>): string {
  return `${entry} ${hostname}`
}

/** The first policy that fits the namespace decides; one without rules fits every namespace (b.3). */
export function visibilityOf(rules: VisibilityRules | undefined, namespace: Namespace | undefined): EntryVisibility {
  const labels = namespace?.metadata.labels ?? {}
  const policy = rules?.policies.find(({ namespaces }) =>
    namespaces.every((selector) => selector !== undefined && matchesSelector(selector, labels)),
  )
  return policy?.visibility ?? rules?.otherwise ?? 'PUBLIC'
}

/** As services say it; an entry that nobody sees becomes none. */
export function seenFrom(visibility: Exclude<EntryVisibility, 'NONE'>): Service['visibility'] {
  return visibility === 'NAMESPACE' ? 'Namespace' : 'Public'
}

/** None when nobody shall see the entry. */
export function entryHosts(entry: ServiceEntry, visibility: EntryVisibility): readonly EntryHost[] {
  if (visibility === 'NONE') return []
  const { namespace, name, creationTimestamp } = entry.metadata
  return entry.spec.hosts.map((hostname) => ({
    entry: objectKey(entry),
    namespace,
    name,
    creationTimestamp,
    hostname,
    visibility: seenFrom(visibility),
  }))
}

/**
 * Who has a host: within a namespace its Kubernetes service, else the oldest entry. Of those that have it in their
 * namespaces one stands for it everywhere else: a Kubernetes service, else the oldest that is visible there.
 *
 * @param rivals every entry's claim to the same host, its own among them
 * @param services namespaces of Kubernetes services with that host
 * @see istio-control-plane b.3 "canonical"
 */
export function settleHost(host: EntryHost, rivals: readonly EntryHost[], services: readonly string[]): HostOutcome {
  if (services.includes(host.namespace)) return { kind: 'lost', to: 'a Service' }
  const winner = oldestOf(rivals.filter(({ namespace }) => namespace === host.namespace)) ?? host
  if (winner.entry !== host.entry) return { kind: 'lost', to: `ServiceEntry ${winner.entry}` }
  if (services.length > 0) return { kind: 'held', canonical: false }
  const winners = [...new Set(rivals.map(({ namespace }) => namespace))].flatMap((namespace) => {
    const first = oldestOf(rivals.filter((rival) => rival.namespace === namespace))
    return first === undefined || first.visibility === 'Namespace' ? [] : [first]
  })
  return { kind: 'held', canonical: oldestOf(winners)?.entry === host.entry }
}

function oldestOf(hosts: readonly EntryHost[]): EntryHost | undefined {
  return hosts.reduce<EntryHost | undefined>(
    (best, host) => (best === undefined || isOlder(host, best) ? host : best),
    undefined,
  )
}
