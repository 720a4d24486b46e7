export { type Cancellation, Canceller } from './cancellation.ts'
export type { Closer } from './closer.ts'
export { Drain, type Drainable, type DrainOrder, IMMEDIATE_DRAIN } from './drain.ts'
export { drainDeadlineMs } from './drain-deadline.ts'
export { Readiness } from './readiness.ts'
export { Reconciler, type ReconcilerSettings } from './reconciler.ts'
export { Roster, type Seated } from './roster.ts'
export {
  type MainControl,
  type MainLog,
  type MainProcess,
  type MainSettings,
  type RunningProgram,
  runMain,
  type StopRequest,
} from './run-main.ts'
