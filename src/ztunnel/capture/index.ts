export { PodListeners, type PodListenersOptions } from './pod-listeners.ts'
export { PodRegistry, type PodRegistryOptions, type PodStatus } from './pod-registry.ts'
export type {
  AcceptedSocket,
  CapturedConnection,
  CapturedTunnel,
  CaptureHandlers,
  CaptureSettings,
  LocalPod,
  PodWork,
} from './types.ts'
