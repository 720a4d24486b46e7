import type { Clock } from '#shared/clock'
import type { ExecRequest } from '#shared/control'
import type { Logger } from '#shared/telemetry'
import type { ApiObject } from './apiserver/index.ts'
import { MESH_NAMESPACE } from './cluster-api/index.ts'
import type { SessionProcess, Tools } from './host/index.ts'
import { enterContainer } from './kubelet/index.ts'
import { containerLogDir, openLeftLog, programLog } from './logs/index.ts'
import {
  type AbsentTarget,
  type ContainerConsoles,
  type ContainerSituation,
  type ContainerTarget,
  type PodTargets,
  type ProgramTarget,
  startIn,
} from './pod-streams/index.ts'
import type { MeshProgram } from './programs/index.ts'
import { type Cluster, isMirror, type PlacedPod } from './runtime/index.ts'

export interface StreamTargetSettings {
  /** Undefined until the mesh is up. */
  readonly cluster: () => Pick<Cluster, 'pods'> | undefined
  readonly tools: Tools
  /** What runs for the mesh itself; nothing until the mesh is up. */
  readonly programs: () => readonly Pick<MeshProgram, 'key' | 'logFile' | 'spec'>[]
  readonly consoles: ContainerConsoles
  readonly podLogsDir: string
  readonly clock: Clock
  readonly logger: Logger
}

type MeshProgramView = ReturnType<StreamTargetSettings['programs']>[number]
type Container = PlacedPod['runner']['containers'][number]

/** The pods of the cluster as streams need them. */
export class StreamTargets implements PodTargets {
  readonly #settings: StreamTargetSettings

  constructor(settings: StreamTargetSettings) {
    this.#settings = settings
  }

  container(pod: ApiObject, name: string): ContainerTarget | ProgramTarget | AbsentTarget {
    if (isMirror(pod)) return this.#programTarget(pod)
    const placed = this.#placed(pod)
    const container = placed && containersOf(placed).find((each) => each.name === name)
    if (placed !== undefined && container !== undefined) {
      return {
        kind: 'present',
        situation: this.#situation(placed, container),
        log: container.log,
        runs: runsOf(container),
      }
    }
    const left = this.#leftLog(pod, name)
    if (left !== undefined) return left
    const why = placed?.runner.reason || placed?.runner.phase || 'it has not been started'
    return { kind: 'absent', reason: `container "${name}" in pod "${pod.metadata.name}" is waiting to start: ${why}` }
  }

  /** Starts a command for `ambit exec`, which names pods; or one sentence why not. */
  exec({ namespace, pod: name, container, command: argv }: ExecRequest): SessionProcess | string {
    const title = `${namespace}/${name}`
    const placed = this.#settings.cluster()?.pods.find(({ key, isLeaving }) => key === title && !isLeaving)
    if (placed === undefined) return `there is no pod ${title}; "ambit status" lists the pods`
    const wanted = containersOf(placed).find((each) => container === '' || each.name === container)
    if (wanted === undefined) return `pod ${title} has no container ${container}`
    const situation = this.#situation(placed, wanted)
    if (situation.kind === 'running') {
      return startIn(situation, { argv, hasStdin: true, hasTty: false }, this.#settings.tools)
    }
    return `container ${wanted.name} of pod ${title} is not running: ${placed.runner.reason || wanted.reason}`
  }

  netnsPath(pod: ApiObject): string | undefined {
    return isMirror(pod) ? netnsOf(this.#program(pod)) : this.#placed(pod)?.runner.netnsPath
  }

  #programTarget(pod: ApiObject): ProgramTarget | AbsentTarget {
    const program = this.#program(pod)
    if (program !== undefined) return { kind: 'program', log: programLog(program.logFile, this.#settings.clock) }
    return { kind: 'absent', reason: `pod ${pod.metadata.name} stands for a program that this mesh does not run` }
  }

  /** Anybody may write that annotation on a pod, but not in the mesh's own namespace. */
  #program({ metadata: { namespace, name } }: ApiObject): MeshProgramView | undefined {
    return namespace === MESH_NAMESPACE ? this.#settings.programs().find(({ key }) => key === name) : undefined
  }

  #placed({ metadata: { uid } }: ApiObject): PlacedPod | undefined {
    return this.#settings.cluster()?.pods.find(({ runner }) => runner.order.uid === uid)
  }

  #situation({ runner }: PlacedPod, container: Container): ContainerSituation {
    const { tools, consoles } = this.#settings
    const { state, pid, run } = container
    if (state.kind === 'terminated') return { kind: 'ended' }
    const machinePid = runner.besidePid(container)
    const console = pid === undefined ? undefined : consoles.of(pid)
    if (machinePid === undefined || console === undefined || run === undefined) {
      const reason = state.kind === 'waiting' ? state.reason : 'ContainerCreating'
      return { kind: 'waiting', reason: runner.reason || reason }
    }
    return {
      kind: 'running',
      console,
      command: ([file = '', ...args], env) =>
        enterContainer(tools, { machinePid }, { ...run, argv: [file, ...args], env: { ...run.env, ...env } }),
    }
  }

  /** Of a pod that ended in an earlier life of this program. */
  #leftLog({ metadata }: ApiObject, name: string): ContainerTarget | undefined {
    const { podLogsDir, clock, logger } = this.#settings
    const { namespace = '', uid = '' } = metadata
    const dir = containerLogDir(podLogsDir, { namespace, name: metadata.name, uid }, name)
    const left = openLeftLog({ dir, clock, logger })
    return left && { kind: 'present', situation: { kind: 'ended' }, ...left }
  }
}

function netnsOf(program: MeshProgramView | undefined): string | undefined {
  if (program === undefined) return undefined
  // The one of the whole mesh runs where this program does.
  return program.spec.node === undefined ? '/proc/self/ns/net' : program.spec.netnsPath
}

function containersOf({ runner }: PlacedPod): readonly Container[] {
  return [...runner.containers, ...runner.initContainers]
}

/** Those that have a log. */
function runsOf({ state, last, restarts }: Container): number {
  return state.kind === 'waiting' && last === undefined ? 0 : restarts + 1
}
