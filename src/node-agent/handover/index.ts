export { Handover, type HandoverOptions } from './handover.ts'
export type { CaptureState, PodStatus } from './pod-capture.ts'
