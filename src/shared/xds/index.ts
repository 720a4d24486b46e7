export { addressType, authorizationType } from './resource-types.ts'
export type * from './types.ts'
