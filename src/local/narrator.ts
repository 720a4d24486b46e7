import type { Clock, Timer } from '#shared/clock'
import { isSettled, type MeshStatus, type StatusProblem } from '#shared/control'
import { formatProblem } from '#shared/k8s'
import type { Logger } from '#shared/telemetry'
import type { Progress } from './control/index.ts'
import type { MeshProgram } from './programs/index.ts'
import type { Cluster } from './runtime/index.ts'

/** What the narrator looks at. */
export interface NarratedMesh {
  readonly programs: readonly MeshProgram[]
  readonly cluster: Cluster
  readonly problems: readonly StatusProblem[]
  readonly isReady: boolean
  /** Asked now and then, while the mesh is not ready. */
  readonly status: () => Promise<MeshStatus>
}

/** A program that keeps ending is told this often on the terminal; the log has every time. */
const TOLD_ENDINGS = 3
const STILL_WAITING_MS = 10_000
/** Of what is waited for; the rest is a number. */
const SHOWN_WAITS = 5

/** Tells the story of the way up, each thing once, to whoever follows the progress. */
export class Narrator {
  readonly #progress: Progress
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #programs = new Map<string, { readonly isReady: boolean; readonly endings: number }>()
  readonly #problems = new Set<string>()
  #hasBeenReady = false
  #timer: Timer | undefined

  constructor(progress: Progress, logger: Logger, clock: Clock) {
    this.#progress = progress
    this.#logger = logger
    this.#clock = clock
  }

  get hasBeenReady(): boolean {
    return this.#hasBeenReady
  }

  /** To be called after every change. */
  look(mesh: NarratedMesh): void {
    for (const program of mesh.programs) this.#tellProgram(program)
    if (this.#hasBeenReady) return
    for (const problem of mesh.problems) this.#tellOnce(formatProblem(problem))
    for (const { key, reason } of mesh.cluster.blocked) this.#tellOnce(`pod ${key} cannot be placed: ${reason}`)
    if (!mesh.isReady) {
      this.#waitFor(mesh)
      return
    }
    this.#hasBeenReady = true
    this.stop()
    const running = mesh.cluster.pods.filter(({ runner }) => runner.end === undefined)
    this.#progress.say('ready', running.length === 1 ? '1 pod running' : `${running.length} pods running`)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #tellProgram(program: MeshProgram): void {
    const { title, isReady, endings } = program
    const told = this.#programs.get(title) ?? { isReady: false, endings: 0 }
    if (isReady && !told.isReady) this.#progress.say('step', `${title} is ready`)
    if (endings > told.endings) {
      const { reason } = program.status
      this.#logger.warn('program ended', { program: title, reason, endings })
      if (endings <= TOLD_ENDINGS)
        this.#progress.say('warning', `${title} ${reason}; see "ambit logs ${program.spec.name}"`)
    }
    this.#programs.set(title, { isReady, endings })
  }

  #tellOnce(text: string): void {
    if (this.#problems.has(text)) return
    this.#problems.add(text)
    this.#progress.say('warning', text)
  }

  #waitFor(mesh: NarratedMesh): void {
    this.#timer ??= this.#clock.setTimer(STILL_WAITING_MS, () => {
      this.#timer = undefined
      void mesh.status().then((status) => {
        if (this.#hasBeenReady) return
        this.#progress.say('warning', `still waiting: ${waitsOf(status)}`)
        this.#waitFor(mesh)
      })
    })
  }
}

/** What is not ready, with its reason. */
export function waitsOf({ programs, pods }: MeshStatus): string {
  const waits = [
    ...programs
      .filter(({ ready }) => !ready)
      .map(({ name, node, reason, state }) => `${name}${node === undefined ? '' : ` on ${node}`} (${reason || state})`),
    ...pods
      .filter((pod) => !isSettled(pod))
      .map(({ namespace, name, reason, phase }) => `pod ${namespace}/${name} (${reason || phase})`),
  ]
  const more = waits.length - SHOWN_WAITS
  return `${waits.slice(0, SHOWN_WAITS).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
