export { BoundedLog } from './bounded-log.ts'
export { ancestorsOf, killNeighbours, killSession, MachinePids } from './machine-pids.ts'
export {
  type Command,
  type ProcessState,
  RestartingProcess,
  type RestartPolicy,
  type StartSession,
} from './restarting-process.ts'
export { runTool } from './run-tool.ts'
export { type SessionEnd, type SessionOptions, SessionProcess } from './session-process.ts'
export { findTools, type Tools } from './tools.ts'
export { replaceFile, writeInPlace } from './write-files.ts'
