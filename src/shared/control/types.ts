/**
 * What `ambit` and the one-machine supervisor say to each other: JSON over HTTP/1.1 on the unix socket `ambit.sock`.
 *
 * - `GET /status` → `MeshStatus`
 * - `GET /progress` → `ProgressEvent` lines (NDJSON): everything since the start, then live until `ready` or `failed`
 * - `POST /stop` → 202; the supervisor takes everything down and exits
 * - `GET /nodes/<node>/ztunnel/<path>` → that path of the admin port of the node's ztunnel
 * - `GET /istiod/<path>` → that path of the monitoring port of istiod-lite
 * - `GET /exec` with `Upgrade: ambit-exec` → frames both ways (frames.ts)
 *
 * Errors are `ControlError` with a 4xx or 5xx status.
 */
export interface ControlError {
  /** One sentence: what is wrong and what to do. */
  readonly error: string
}

/** `ready`: all programs and pods are, or pods have ended; `degraded`: was ready once, something is not now. */
export type MeshState = 'starting' | 'ready' | 'degraded' | 'stopping'

export interface MeshStatus {
  readonly version: string
  readonly state: MeshState
  /** Every program is, and every pod is or has ended. */
  readonly ready: boolean
  /** RFC 3339. */
  readonly startedAt: string
  readonly stateDir: string
  /** The supervisor, as seen from the machine. */
  readonly pid: number
  /** `/proc/<pid>/ns/net` of the network that joins the nodes. */
  readonly netns: string
  readonly nodes: readonly NodeStatus[]
  readonly programs: readonly ProgramStatus[]
  readonly pods: readonly PodStatus[]
  readonly services: readonly ServiceStatus[]
  readonly problems: readonly StatusProblem[]
}

export interface NodeStatus {
  readonly name: string
  readonly addresses: readonly string[]
  readonly podCidrs: readonly string[]
  readonly netns: string
}

export interface ProgramStatus {
  /** `istiod-lite`, `node-agent`, `ztunnel`. */
  readonly name: string
  /** Undefined for what there is one of in the mesh. */
  readonly node: string | undefined
  readonly state: 'starting' | 'ready' | 'not-ready' | 'backing-off' | 'stopped'
  readonly ready: boolean
  /** As seen from the machine; undefined while it does not run. */
  readonly pid: number | undefined
  readonly restarts: number
  /** Why it is not ready; empty when it is. */
  readonly reason: string
  readonly log: string
  readonly netns: string
}

export interface PodStatus {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly node: string
  readonly addresses: readonly string[]
  /** SPIFFE id that the pod has in the mesh. */
  readonly identity: string
  readonly enrolled: boolean
  /** Its traffic goes through the node's tunnel now. */
  readonly captured: boolean
  readonly ready: boolean
  readonly phase:
    | 'pending'
    | 'capturing'
    | 'initializing'
    | 'starting'
    | 'running'
    | 'backing-off'
    | 'succeeded'
    | 'failed'
    | 'stopping'
  readonly reason: string
  /** The first container's process, as seen from the machine. */
  readonly pid: number | undefined
  readonly restarts: number
  /** Empty until the pod has a network namespace. */
  readonly netns: string
  /** The pod's own first, then its init containers. */
  readonly containers: readonly ContainerStatus[]
}

export interface ContainerStatus {
  readonly name: string
  readonly pid: number | undefined
  readonly ready: boolean
  readonly restarts: number
  readonly reason: string
  readonly log: string
}

export interface ServiceStatus {
  readonly namespace: string
  readonly name: string
  readonly addresses: readonly string[]
  readonly ports: readonly string[]
  readonly readyEndpoints: number
  readonly endpoints: number
}

export interface StatusProblem {
  /** File, or `namespace/name`. */
  readonly where: string
  readonly line: number | undefined
  readonly path: string
  readonly problem: string
}

/** One thing that happened on the way up. */
export interface ProgressEvent {
  readonly kind: 'step' | 'warning' | 'ready' | 'failed'
  /** Since the supervisor's start. */
  readonly elapsedMs: number
  readonly text: string
}

/** The first frame of an exec stream. */
export interface ExecRequest {
  readonly namespace: string
  readonly pod: string
  /** Empty = the first container. */
  readonly container: string
  readonly command: readonly string[]
}

/** The last frame: how the command ended, or why it could not start. */
export type ExecEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'refused'; readonly error: string }
