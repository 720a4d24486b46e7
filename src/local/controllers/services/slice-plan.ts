import { isDeepStrictEqual } from 'node:util'
import type { Endpoint, EndpointSlice } from '../core/shapes.ts'
import type { EndpointGroup } from './endpoints-of-service.ts'

/** Endpoints of one slice, as Kubernetes' controller fills them. */
const MAX_ENDPOINTS = 100

export interface SlicePlan {
  readonly create: readonly EndpointGroup[]
  readonly update: readonly { readonly slice: EndpointSlice; readonly endpoints: readonly Endpoint[] }[]
  readonly delete: readonly EndpointSlice[]
}

/**
 * The fewest writes that bring a service's slices to its endpoints: an endpoint stays in the slice where it is, new ones
 * fill slices that have room, and a slice is made or taken away only when needed.
 */
export function planSlices(groups: readonly EndpointGroup[], slices: readonly EndpointSlice[]): SlicePlan {
  const plan = {
    create: [] as EndpointGroup[],
    update: [] as SlicePlan['update'][number][],
    delete: [] as EndpointSlice[],
  }
  const unused = new Set(slices)
  for (const group of groups) {
    const its = slices.filter(
      (slice) =>
        unused.has(slice) && slice.addressType === group.addressType && isDeepStrictEqual(slice.ports, group.ports),
    )
    planGroup(group, its, plan)
    for (const slice of its) unused.delete(slice)
  }
  plan.delete.push(...unused)
  return plan
}

function planGroup(
  group: EndpointGroup,
  slices: readonly EndpointSlice[],
  plan: {
    readonly create: EndpointGroup[]
    readonly update: SlicePlan['update'][number][]
    readonly delete: EndpointSlice[]
  },
): void {
  const wanted = new Map(group.endpoints.map((endpoint) => [identityOf(endpoint), endpoint]))
  const kept = slices.map((slice) => {
    const endpoints = slice.endpoints.flatMap((old) => {
      const endpoint = wanted.get(identityOf(old))
      wanted.delete(identityOf(old))
      return endpoint ?? []
    })
    return { slice, endpoints }
  })
  const added = [...wanted.values()]
  for (const { endpoints } of kept) endpoints.push(...added.splice(0, Math.max(0, MAX_ENDPOINTS - endpoints.length)))
  const filled = kept.filter(({ endpoints }) => endpoints.length > 0)
  // The last empty one of a group that is empty stays.
  const placeholder = group.endpoints.length === 0 ? kept.slice(0, 1) : []
  const staying = new Set([...filled, ...placeholder])
  for (const each of kept) {
    if (!staying.has(each)) plan.delete.push(each.slice)
    else if (!isDeepStrictEqual(each.slice.endpoints, each.endpoints)) plan.update.push(each)
  }
  if (group.endpoints.length === 0 && kept.length === 0) plan.create.push(group)
  while (added.length > 0) plan.create.push({ ...group, endpoints: added.splice(0, MAX_ENDPOINTS) })
}

function identityOf({ targetRef, addresses }: Endpoint): string {
  return `${targetRef?.uid ?? ''} ${addresses.join()}`
}
