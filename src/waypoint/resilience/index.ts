export { ATTEMPT_HEADER } from './attempt-count.ts'
export { Attempts, type AttemptsOptions } from './attempts.ts'
export {
  type Answer,
  type Asked,
  type Attempted,
  type Course,
  newCourse,
  type RetryStop,
  type SendOnce,
} from './types.ts'
