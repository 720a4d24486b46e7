export type { ForWaypoint } from './scope.ts'
export type { ObjectVerdict, ParentCondition, ParentVerdict, RouteVerdict } from './verdicts.ts'
export { type WaypointConfiguration, wireWaypointConfiguration } from './wiring.ts'
