import type { Clock } from '#shared/clock'
import type { Pod } from '#shared/k8s'
import type { Logger } from '#shared/telemetry'
import type { ObjectAccess } from '../apiserver/index.ts'
import type { PodMachine, PodRunner } from '../kubelet/index.ts'
import type { NameServers } from '../objects/index.ts'
import type { PodMaker } from './pod-maker.ts'

/** A node as far as pods need it. */
export interface PodNode {
  readonly machine: Omit<PodMachine, 'captured'>
  readonly ips: readonly string[]
}

export interface ClusterSettings {
  readonly clock: Clock
  readonly logger: Logger
  readonly access: ObjectAccess
  /** For the pods' /etc/resolv.conf. */
  readonly nameServers: NameServers
  /** By node name, in order. */
  readonly nodes: ReadonlyMap<string, PodNode>
  /** A folder for each pod that the API has or had. */
  readonly podLogsDir: string
  /** Resolves when the tunnel of `node` serves the pod. */
  readonly capturing: (node: string, uid: string, signal: AbortSignal) => Promise<void>
  readonly maker: PodMaker
  /** After every change that `pods` show. */
  readonly changed: () => void
}

/** A pod that has a place, as long as anything of it is left. */
export interface PlacedPod {
  readonly key: string
  readonly pod: Pod
  readonly node: string
  readonly runner: PodRunner
  readonly isEnrolled: boolean
  readonly isLeaving: boolean
}

/** A pod that does not run, and why. */
export interface BlockedPod {
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly serviceAccount: string
  readonly reason: string
}
