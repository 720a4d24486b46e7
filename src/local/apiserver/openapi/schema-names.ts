import type { Described } from './group-versions.ts'

export const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
export const LIST_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta'

/** Kubernetes' names of schemas: built-in kinds by their Go package, others by their group read backwards. */
export function schemaName(
  { group, version, origin }: Pick<Described, 'group' | 'version' | 'origin'>,
  kind: string,
): string {
  const name =
    origin === 'builtin' ? `io.k8s.api.${group.split('.')[0] || 'core'}` : group.split('.').reverse().join('.')
  return `${name}.${version}.${kind}`
}
