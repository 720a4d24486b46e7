export { LeaseCandidate, type LeaseCandidateParts } from './lease-candidate.ts'
export { type LeaseTimes, leaseTimes } from './lease-times.ts'
export type { Leadership } from './types.ts'
