export { type BalancerSettings, createBalancer } from './balancer.ts'
export type * from './types.ts'
