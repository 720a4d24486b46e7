import type { ObjectMeta } from '#shared/k8s'

/** A name as it stands in a VirtualService or DestinationRule: one without a dot is a service of the object's namespace. */
export function resolveHost(host: string, namespace: string, clusterDomain: string): string {
  const name = host.toLowerCase()
  return name.includes('.') || name.startsWith('*') ? name : `${name}.${namespace}.svc.${clusterDomain}`
}

/** Whatever may stand for a host name, most specific first: itself, `*.` with ever less of it, `*`. */
export function hostPatterns(hostname: string): readonly string[] {
  const patterns = [hostname]
  for (let dot = hostname.indexOf('.'); dot !== -1; dot = hostname.indexOf('.', dot + 1)) {
    // A wildcard's own pattern is itself.
    if (dot > 0 && hostname[0] !== '*') patterns.push(`*${hostname.slice(dot)}`)
  }
  return [...patterns, '*']
}

/** Whether an object is there for a namespace: `*`, `.` for its own, or that one by name; nothing said is `*`. */
export function isExported(exportTo: readonly string[], own: string, to: string): boolean {
  if (exportTo.length === 0) return true
  return exportTo.some((word) => word === '*' || word === to || (word === '.' && own === to))
}

/** The order of objects that speak about the same: oldest first; one without a time is the youngest; then by name. */
export function byAge(a: { readonly metadata: ObjectMeta }, b: { readonly metadata: ObjectMeta }): number {
  const age = ageOf(a.metadata) - ageOf(b.metadata)
  if (age !== 0 && !Number.isNaN(age)) return age
  const [first, second] = [nameOf(a.metadata), nameOf(b.metadata)]
  return first < second ? -1 : first > second ? 1 : 0
}

function ageOf({ creationTimestamp }: ObjectMeta): number {
  return creationTimestamp === undefined ? Number.POSITIVE_INFINITY : Date.parse(creationTimestamp)
}

/** Namespace first, as the Gateway API breaks ties. */
function nameOf({ namespace, name }: ObjectMeta): string {
  return `${namespace}/${name}`
}
