export { applyRedirect, isRedirected, removeRedirect } from './apply.ts'
export type { CaptureMode } from './rules.ts'
export { findDrift } from './verify.ts'
