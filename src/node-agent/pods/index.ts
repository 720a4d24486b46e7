export { type EnrolledPod, type EnrolmentSettings, type LeaveReason, type PodPlan, planPod } from './enrolment.ts'
export { type OpenedObjects, openObjects } from './open-objects.ts'
export { PodWatch } from './pod-watch.ts'
