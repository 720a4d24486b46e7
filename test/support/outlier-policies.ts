import type { OutlierDetection } from '#shared/l7'

/** What a DestinationRule with an empty `outlierDetection` means, except that every endpoint may be ejected. */
export const OUTLIERS: OutlierDetection = {
  consecutive5xx: 5,
  consecutiveGatewayErrors: 0,
  splitsLocalErrors: false,
  consecutiveLocalFailures: 5,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectionPercent: 100,
  minHealthPercent: 0,
}
