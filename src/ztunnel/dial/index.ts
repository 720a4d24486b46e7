export { type Dial, PodDialer, type PodDialerOptions } from './pod-dialer.ts'
