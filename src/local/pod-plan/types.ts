/** Kubernetes core/v1 `restartPolicy`, of a pod or of one container. */
export type RestartPolicy = 'Always' | 'OnFailure' | 'Never'

/** What a pod runs here: its object with images, defaults and volumes worked out, made once when it gets its place. */
export interface PodPlan {
  readonly hostname: string
  readonly restartPolicy: RestartPolicy
  /** One after the other, each to its end; one that restarts `Always` is a sidecar and stays beside those after it. */
  readonly initContainers: readonly ContainerPlan[]
  readonly containers: readonly ContainerPlan[]
  /** Between SIGTERM and SIGKILL, the `preStop` hook included. */
  readonly graceMs: number
  /** From the pod's start to its failure with reason `DeadlineExceeded`. */
  readonly activeDeadlineMs: number | undefined
}

export interface ContainerPlan {
  readonly name: string
  /** As written; shown in the status. */
  readonly image: string
  readonly restart: RestartPolicy
  readonly probes: {
    /** Until it succeeds the others are not asked. */
    readonly startup: ProbePlan | undefined
    readonly liveness: ProbePlan | undefined
    readonly readiness: ProbePlan | undefined
  }
  readonly hooks: { readonly postStart: HookPlan | undefined; readonly preStop: HookPlan | undefined }
  /** Keeps its standard input open, and a terminal around it (`kubectl run -it`). */
  readonly hasStdin: boolean
  readonly hasTty: boolean
  /**
   * What its next process is, asked before each start: ConfigMaps and Secrets are read as they are now.
   * @throws MeshError `CONTAINER_CONFIG_INVALID` for what is missing; the kubelet tells it and asks again
   */
  resolve(): ContainerRun
}

/** One process of a container, ready to be started in the pod's sandbox. */
export interface ContainerRun {
  readonly argv: readonly [string, ...string[]]
  /** Absolute, as the container sees it. */
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  readonly mounts: readonly ContainerMount[]
  readonly isRootReadOnly: boolean
  /** Undefined: as the supervisor. */
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] } | undefined
  /** Undefined: what a container keeps when its pod says nothing of it. */
  readonly rights?: { readonly capabilities: readonly string[]; readonly canGain: boolean }
}

/** A file or folder of this machine that the container sees elsewhere. */
export interface ContainerMount {
  readonly source: string
  readonly target: string
  readonly isReadOnly: boolean
}

/** Kubernetes core/v1 Probe, defaults filled in. */
export interface ProbePlan {
  readonly check: ProbeCheck
  readonly initialDelayMs: number
  readonly periodMs: number
  readonly timeoutMs: number
  readonly successThreshold: number
  readonly failureThreshold: number
  /** Instead of the pod's, when this probe ends the container. */
  readonly graceMs: number | undefined
}

export type ProbeCheck =
  | { readonly kind: 'tcp'; readonly host: string | undefined; readonly port: number }
  | {
      readonly kind: 'http'
      readonly isTls: boolean
      /** Undefined: the pod's address. */
      readonly host: string | undefined
      readonly port: number
      readonly path: string
      readonly headers: readonly (readonly [name: string, value: string])[]
    }
  | { readonly kind: 'exec'; readonly argv: readonly string[] }
  | { readonly kind: 'grpc'; readonly port: number; readonly service: string }

/** Kubernetes core/v1 LifecycleHandler. */
export type HookPlan = ProbeCheck | { readonly kind: 'sleep'; readonly ms: number }

/** Why a pod cannot run here, by field; told in its status and as an event. */
export interface PodProblem {
  readonly path: readonly (string | number)[]
  readonly problem: string
}

/** The files of a pod's volumes below its own folder; kept as their ConfigMaps, Secrets and tokens are. */
export interface PodVolumes {
  /**
   * Writes all of them; resolves when each is there. Called before the pod's sandbox is opened.
   * @throws MeshError `CONTAINER_CONFIG_INVALID` for what is missing and not optional
   */
  prepare(): Promise<void>
  /** Stops following and removes the files. Safe to call twice. */
  close(): Promise<void>
}
