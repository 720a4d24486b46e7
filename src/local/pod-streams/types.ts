import type { Writable } from 'node:stream'
import type { ApiObject } from '../apiserver/index.ts'
import type { Command } from '../host/index.ts'
import type { ContainerLog } from '../logs/index.ts'

/** Where streams find pods and containers; the node runtime gives it. Asked anew for each stream. */
export interface PodTargets {
  /** A container, or why there is none. */
  container(pod: ApiObject, name: string): ContainerTarget | ProgramTarget | AbsentTarget
  /** Path of the pod's network namespace; undefined when it has none now. */
  netnsPath(pod: ApiObject): string | undefined
}

/** Nothing of it is here. */
export interface AbsentTarget {
  readonly kind: 'absent'
  readonly reason: string
}

/** A program of the mesh that shows as a pod: it has a log and ports, and nothing that could be entered. */
export interface ProgramTarget {
  readonly kind: 'program'
  readonly log: Pick<ContainerLog, 'read'>
}

/** A container at one moment. */
export interface ContainerTarget {
  readonly kind: 'present'
  readonly situation: ContainerSituation
  readonly log: ContainerLog
  /** How often its process has been started; 0: there is no log yet. */
  readonly runs: number
}

export type ContainerSituation =
  | {
      readonly kind: 'running'
      readonly console: ContainerConsole
      /** Runs `argv` beside the container's process: in its namespaces, folder and environment, with its rights. */
      readonly command: (argv: readonly string[], env: Readonly<Record<string, string>>) => Command
    }
  /** Before its first run, or between two. */
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'ended' }

/** What one who attaches to a running container has of it, beside its outputs. */
export interface ContainerConsole {
  /** Undefined when its `stdin` is not set. */
  readonly stdin: Writable | undefined
  /** Of its terminal; nothing without one. */
  resize(columns: number, rows: number): void
}
