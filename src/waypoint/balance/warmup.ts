import type { Warmup } from '#shared/l7'

/** The part of its weight that an endpoint gets `ageMs` after it came; 1 once it is warm. */
export function warmthAt(ageMs: number, { durationMs, minimumPercent, aggression }: Warmup): number {
  if (ageMs >= durationMs) return 1
  const passed = Math.max(ageMs, 1) / durationMs
  return Math.max(minimumPercent / 100, passed ** (1 / aggression))
}
