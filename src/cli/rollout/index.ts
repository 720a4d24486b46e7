export { type ControlPlanes, clusterControlPlanes, localControlPlane, type Page } from './control-planes.ts'
export { kindName, type WrittenObject, waitForRollout } from './wait-for-rollout.ts'
