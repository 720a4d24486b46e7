import type { PushClient } from './push-server.ts'

/** Up to where a change has come. */
export type Rollout =
  /** Objects of that kind do not come here. */
  | { readonly state: 'unread' }
  /** The API has not told of it yet, or it is being gathered with others. */
  | { readonly state: 'unseen' }
  /** Nothing that a proxy is told is different. */
  | { readonly state: 'unaffected' }
  | RolloutTold

/** It is known here; whether everybody has it is what the lists say. */
export interface RolloutTold {
  readonly state: 'told'
  /** Node ids of those that are connected here. */
  readonly proxies: readonly string[]
  /** Those that have not answered it yet. */
  readonly waiting: readonly { readonly proxy: string; readonly type: string; readonly lagMs: number }[]
  /** Those that did not take it, and their words. */
  readonly refused: readonly { readonly proxy: string; readonly type: string; readonly reason: string }[]
  /** Node ids of those that left a moment ago and may be about to come back, here or elsewhere. */
  readonly gone: readonly string[]
}

/** Who has a push, as far as can be told here. Pure. */
export function rolloutOf(push: number, clients: readonly PushClient[], gone: readonly string[]): RolloutTold {
  const watches = clients.flatMap(({ node, watches }) => watches.map((watch) => ({ proxy: node.id, ...watch })))
  return {
    state: 'told',
    proxies: clients.map(({ node }) => node.id),
    waiting: watches
      .filter(({ behind }) => behind !== undefined && behind.push <= push)
      .map(({ proxy, typeUrl, lagMs }) => ({ proxy, type: typeUrl, lagMs })),
    refused: watches.flatMap(({ proxy, typeUrl, progress }) => {
      const refusal = progress?.refusal
      const isMeant = refusal !== undefined && refusal.firstPush <= push && push <= refusal.lastPush
      return isMeant ? [{ proxy, type: typeUrl, reason: refusal.message }] : []
    }),
    gone,
  }
}

/** Nothing will come that is not there yet. */
export function isOver(rollout: Rollout): boolean {
  if (rollout.state === 'unseen') return false
  return rollout.state !== 'told' || (rollout.waiting.length === 0 && rollout.gone.length === 0)
}
