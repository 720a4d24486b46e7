export { type EnrolledPod, type EnrolmentSettings, type LeaveReason, type PodPlan, planPod } from './enrolment.ts'
export { PodWatch } from './pod-watch.ts'
