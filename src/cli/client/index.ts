export { ControlClient } from './control-client.ts'
export { endMesh } from './end-mesh.ts'
export { execInPod } from './exec-client.ts'
export {
  GOOD_END,
  type Launched,
  type LaunchSettings,
  launchSupervisor,
  listenOnLoopback,
  namespaceFlags,
} from './launch.ts'
export { showFile } from './show-file.ts'
export {
  claimFolder,
  keepApiPort,
  lastApiPort,
  purgeState,
  removePassing,
  runningProcesses,
  stateIn,
} from './state-folder.ts'
