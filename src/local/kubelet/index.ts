export { type ContainerRole, PodContainer } from './container.ts'
export { type ContainerProcess, enterContainer, startContainer } from './container-command.ts'
export { type SpawnedProcess, type StartProcess, startProcess } from './container-process.ts'
export type { ContainerState, EarlierRun, TerminatedRun, WaitingReason } from './container-state.ts'
export type { PodEnd } from './pod-containers.ts'
export type { PodEvent } from './pod-event.ts'
export {
  type PodListener,
  type PodMachine,
  type PodOrder,
  type PodPhase,
  PodRunner,
} from './pod-runner.ts'
export { askOnce, askPort, type ProbeTarget, type SocketTarget } from './probe.ts'
export { ProbeWatch } from './probe-watch.ts'
export { openSandbox, type SandboxSettings } from './sandbox.ts'
