import type { DomainName } from '#shared/dns'

/** A name under which a service may be known that a client asked for. */
export interface Candidate {
  readonly name: DomainName
  /** What was left of the asked name when a search domain was taken off; undefined when none was. */
  readonly strippedTo: DomainName | undefined
}

/**
 * Every name that a client of `namespace` may mean, the best guess first (hbone-and-ztunnel j.2): the name itself and
 * what Kubernetes makes of a name as short as that; then the same of what is left of it without a search domain, as
 * resolvers add those before they ask.
 *
 * @param asked in lower case
 * @param domain the cluster's
 */
export function candidateNames(asked: DomainName, namespace: string, domain: DomainName): readonly Candidate[] {
  const found = new Map<string, Candidate>()
  const add = (name: DomainName, strippedTo: DomainName | undefined): void => {
    for (const each of [name, ...expansions(name, namespace, domain)]) {
      const key = each.join('.')
      // A name keeps its first place.
      if (!found.has(key)) found.set(key, { name: each, strippedTo })
    }
  }
  add(asked, undefined)
  for (const search of searchDomains(namespace, domain)) {
    const rest = without(asked, search)
    if (rest !== undefined) add(rest, rest)
  }
  return [...found.values()]
}

/** Exactly that name, then each wildcard that covers it, the most special first: for `a.b.c` also `*.b.c` and `*.c`. */
export function wildcardsOf(name: DomainName): readonly DomainName[] {
  return [name, ...name.slice(1).map((_, i) => ['*', ...name.slice(i + 1)])]
}

/** Those of a pod's resolver; they are the same for every pod of a namespace. */
function searchDomains(namespace: string, domain: DomainName): readonly DomainName[] {
  return [[namespace, 'svc', ...domain], ['svc', ...domain], domain]
}

/** What Kubernetes' search list makes of names that do not say where they are. */
function expansions(name: DomainName, namespace: string, domain: DomainName): readonly DomainName[] {
  const isOfServices = name.at(-1) === 'svc'
  const services = [...name, 'svc', ...domain]
  const own = [...name, namespace, 'svc', ...domain]
  switch (name.length) {
    case 1:
      return [own]
    case 2:
      return [services, own]
    case 3:
      return isOfServices ? [[...name, ...domain], services] : [services]
    case 4:
      return isOfServices ? [[...name, ...domain]] : []
    default:
      return []
  }
}

/** Undefined when it does not end so, and when nothing would be left. */
function without(name: DomainName, end: DomainName): DomainName | undefined {
  const rest = name.length - end.length
  if (rest <= 0 || end.some((label, i) => name[rest + i] !== label)) return undefined
  return name.slice(0, rest)
}
