export type { WaypointName } from './binding.ts'
export type * from './types.ts'
export { type WaypointOptions, WaypointState } from './waypoint-state.ts'
