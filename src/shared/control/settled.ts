import type { PodStatus } from './types.ts'

/** Nobody needs to wait for it: it serves, or it has ended by itself. */
export function isSettled({ ready, phase }: Pick<PodStatus, 'ready' | 'phase'>): boolean {
  return ready || phase === 'succeeded' || phase === 'failed'
}
