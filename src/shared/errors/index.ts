export { codes, type ErrorCode, type ErrorSpec, type Retry, type Side } from './codes.ts'
export { MeshError, reasonOf } from './mesh-error.ts'
