export { ApiError } from './api-error.ts'
export type * from './types.ts'
