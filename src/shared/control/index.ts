export { type ExecChannel, type ExecFrame, ExecFrameReader, execFrame, MAX_EXEC_PAYLOAD_BYTES } from './frames.ts'
export {
  encodePortPacket,
  type OpenPort,
  PORT_PACKET_BYTES,
  PORT_SOCKET,
  type PortAnswer,
  readOpenPort,
  readPortAnswer,
} from './port-packets.ts'
export { identify, isRunning, type ProcessIdentity } from './process-identity.ts'
export {
  claimRunRecord,
  currentBootId,
  newRunRecord,
  type RunRecord,
  readRunRecord,
  writeRunRecord,
} from './run-record.ts'
export { isSettled } from './settled.ts'
export { openSocketPath, type SocketPath } from './socket-path.ts'
export type {
  ContainerStatus,
  ControlError,
  ExecEnd,
  ExecRequest,
  MeshState,
  MeshStatus,
  NodeStatus,
  PodStatus,
  ProgramStatus,
  ProgressEvent,
  ServiceStatus,
  StatusProblem,
} from './types.ts'
export { AMBIT_VERSION } from './version.ts'
