import { Readable } from 'node:stream'
import { type Command, type ProcessEnd, ProcessGroup } from '../host/index.ts'
import type { ContainerPlan } from '../pod-plan/index.ts'

/** The process of one run of a container. */
export interface SpawnedProcess {
  /** In this program's own numbering; undefined when it could not be started. */
  readonly pid: number | undefined
  readonly stdout: Readable
  /** Undefined with a terminal, which has one output. */
  readonly stderr: Readable | undefined
  /** Never rejects. */
  readonly ended: Promise<ProcessEnd>
  /** To everything in its process group. */
  signal(name: NodeJS.Signals): void
}

export type StartProcess = (command: Command, plan: ContainerPlan) => SpawnedProcess

/** Without input; both outputs are pipes. */
export const startProcess: StartProcess = (command) => {
  const group = new ProcessGroup(command, ['ignore', 'pipe', 'pipe'])
  // One that could not be started says nothing.
  const stdout = group.child?.stdout ?? Readable.from([])
  const stderr = group.child?.stderr ?? Readable.from([])
  return { pid: group.pid, stdout, stderr, ended: group.ended, signal: (name) => group.signal(name) }
}
