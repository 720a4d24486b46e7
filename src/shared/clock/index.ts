export { Backoff, type BackoffSettings } from './backoff.ts'
export { type Clock, sleep, systemClock, type Timer } from './clock.ts'
