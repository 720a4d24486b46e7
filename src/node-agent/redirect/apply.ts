import { isDeepStrictEqual } from 'node:util'
import { MeshError } from '#shared/errors'
import { type Netns, Nftables, Routes } from '#shared/sys'
import { type CaptureMode, planRedirect, TABLE_FAMILY, TABLE_NAME } from './rules.ts'
import { compare, routedFamilies } from './verify.ts'

/**
 * Makes the pod's namespace redirect as planned, touching only what differs, and reads it back. The table comes last and
 * as one transaction, so that a pod is captured either wholly or as it was before; if it is refused, the routing that
 * was added for it goes again.
 *
 * @returns what had to be mended; empty = everything was in place
 * @throws MeshError of `shared/sys`; `NETLINK_REJECTED` also when the kernel took it but shows something else
 */
export function applyRedirect(netns: Netns, mode: CaptureMode): readonly string[] {
  const plan = planRedirect(mode, routedFamilies(netns))
  const drift = compare(netns, plan)
  if (drift.found.length === 0) return []
  const routes = new Routes(netns)
  // Only what this call has added: IPv6 does not look at a route's type when it deletes, so trying would hit others'.
  const undo: (() => void)[] = []
  try {
    // Marked answers are routed over `lo`, so it must be up; in a pod it always is, in a bare namespace not.
    routes.setUp('lo')
    for (const route of drift.routes) {
      routes.addRoute(route)
      undo.push(() => routes.removeRoute(route))
    }
    for (const rule of drift.rules) {
      routes.addMarkRule(rule)
      undo.push(() => routes.removeMarkRule(rule))
    }
    if (drift.table !== 'as planned') new Nftables(netns).replace(plan.table)
  } catch (error) {
    for (const takeBack of undo.reverse()) takeBack()
    throw error
  }
  const left = compare(netns, plan).found
  if (left.length > 0) {
    throw new MeshError('NETLINK_REJECTED', `the redirect was taken but is not in place: ${left.join('; ')}`)
  }
  return drift.found
}

/** Takes everything away that any mode may have put there. @throws MeshError of `shared/sys` */
export function removeRedirect(netns: Netns): void {
  const plan = planRedirect({ inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] }, [4, 6])
  // First the table: without its marks the routing does nothing.
  new Nftables(netns).remove(TABLE_FAMILY, TABLE_NAME)
  const routes = new Routes(netns)
  for (const rule of plan.rules) routes.removeMarkRule(rule)
  for (const route of plan.routes) {
    const isThere = routes.routes(route.destination.family).some((found) => isDeepStrictEqual(found, route))
    if (isThere) routes.removeRoute(route)
  }
}

/** Whether a redirect of ours, of whatever mode, is there. @throws MeshError of `shared/sys` */
export function isRedirected(netns: Netns): boolean {
  return new Nftables(netns).names(TABLE_FAMILY).includes(TABLE_NAME)
}
