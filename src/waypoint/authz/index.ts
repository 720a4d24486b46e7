export { normalise } from './normalise.ts'
export { hostOf } from './normalise-host.ts'
export type { PathNormalization } from './normalise-path.ts'
