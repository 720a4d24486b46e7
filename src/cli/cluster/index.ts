export { acceptance, conditionsOf, type StatusCondition } from './conditions.ts'
export { discover, findResource, findResources, objectName, readDiscovery, type ServedResource } from './discovery.ts'
export { execThroughApi } from './exec.ts'
export { podPage } from './forward.ts'
export { type PathStep, parseJsonPath, valuesAt, valueText } from './json-path.ts'
export { MESH_NAMESPACE, type MeshPod, meshPods, podCalled } from './mesh-pods.ts'
export { type LogOrder, openLog, POD } from './pods.ts'
export { appOf, endOf, exposingService, type RunOrder, runPod, startLook } from './run-pod.ts'
export { copyLog, showLog } from './show-log.ts'
export { readTable, type ServerTable, TABLE_TYPE, type TableRequest, type TableRow, tablePath } from './tables.ts'
export { type Look, type UntilSettings, untilObject } from './until.ts'
export {
  GATEWAY,
  readWaypoint,
  USE_WAYPOINT_LABEL,
  WAYPOINT_CLASSES,
  WAYPOINT_TRAFFIC,
  type Waypoint,
  type WaypointClass,
  type WaypointTraffic,
  waypointGateway,
  waypointLook,
} from './waypoints.ts'
