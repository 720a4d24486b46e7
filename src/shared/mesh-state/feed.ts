import type { Authorization, MeshAddress } from '#shared/model'
import type { ResourceType, Subscription } from '#shared/xds'
import type { MeshState } from './mesh-state.ts'

/** The Address subscription; on demand, workloads of this node come unasked and all others by name. */
export function addressFeed(
  state: Pick<MeshState, 'applyAddresses'>,
  type: ResourceType<MeshAddress>,
  mode: 'wildcard' | 'on-demand',
): Subscription<MeshAddress> {
  return { type, mode, apply: (update) => state.applyAddresses(update) }
}

/** The Authorization subscription: always everything, since a policy that is not known protects nothing. */
export function authorizationFeed(
  state: Pick<MeshState, 'applyAuthorizations'>,
  type: ResourceType<Authorization>,
): Subscription<Authorization> {
  return { type, mode: 'wildcard', apply: (update) => state.applyAuthorizations(update) }
}
