import type { ApiObject, ObjectAccess } from '../../apiserver/index.ts'
import { controllerOf, isDeleting, type Kind, listOf, ownerReference, refTo } from '../core/kinds.ts'
import { selects } from '../core/label-selector.ts'
import type { LabelSelector } from '../core/shapes.ts'

type Owner = ApiObject & { readonly spec: { readonly selector: LabelSelector } }

/**
 * The objects of a kind that belong to an owner: those that refer to it. Matching ones without a controller are taken
 * in, and owned ones whose labels no longer match are let go, unless the owner itself is on its way out.
 */
export async function claim<O extends Owner, T extends ApiObject>(
  access: ObjectAccess,
  ownerKind: Kind<O>,
  owner: O,
  kind: Kind<T>,
): Promise<readonly T[]> {
  const claimed: T[] = []
  for (const object of listOf(access, kind, owner.metadata.namespace ?? '')) {
    const current = controllerOf(object)
    const isMatching = selects(owner.spec.selector, object.metadata.labels)
    if (current !== undefined) {
      if (current.uid !== owner.metadata.uid) continue
      if (isMatching || isDeleting(owner)) claimed.push(object)
      else await setOwners(access, kind, object, withoutOwner(object, owner))
    } else if (isMatching && !isDeleting(object) && !isDeleting(owner)) {
      const owners = [...withoutOwner(object, owner), ownerReference(ownerKind, owner)]
      claimed.push((await setOwners(access, kind, object, owners)) as T)
    }
  }
  return claimed
}

function withoutOwner(
  { metadata }: ApiObject,
  owner: ApiObject,
): NonNullable<ApiObject['metadata']['ownerReferences']> {
  return (metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata.uid)
}

function setOwners<T extends ApiObject>(
  access: ObjectAccess,
  kind: Kind<T>,
  object: ApiObject,
  ownerReferences: ReturnType<typeof withoutOwner>,
): Promise<ApiObject> {
  const { uid, resourceVersion } = object.metadata
  return access.patch(refTo(kind, object), 'merge', { metadata: { uid, resourceVersion, ownerReferences } })
}
