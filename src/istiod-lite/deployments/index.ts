export type { WaypointSettings } from './objects.ts'
export { type Deployments, type DeploymentsParts, openDeployments } from './open-deployments.ts'
export { GATEWAY_TOPIC } from './waypoint-deployments.ts'
