export type { WaypointSettings } from './objects.ts'
export { collectParameters, MADE_KINDS } from './sources.ts'
export { type Leadership, WaypointDeployments, type WaypointDeploymentsParts } from './waypoint-deployments.ts'
export { type WiredDeployments, wireDeployments } from './wire-deployments.ts'
