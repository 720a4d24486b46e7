import { PassThrough, Readable } from 'node:stream'
import type { IpAddress } from '#shared/net'
import type { ProcessEnd } from '../../src/local/host/index.ts'
import type { ContainerPlace } from '../../src/local/kubelet/container.ts'
import {
  type ContainerRole,
  PodContainer,
  type PodEvent,
  type SpawnedProcess,
  type StartProcess,
} from '../../src/local/kubelet/index.ts'
import type { ContainerLog } from '../../src/local/logs/index.ts'
import type { ContainerPlan, ContainerRun } from '../../src/local/pod-plan/index.ts'
import { type FakeClock, settle } from './fake-clock.ts'

/** A process that does what a test says. */
export class FakeProcess implements SpawnedProcess {
  readonly pid: number
  readonly stdout: PassThrough = new PassThrough()
  readonly stderr: PassThrough = new PassThrough()
  readonly ended: Promise<ProcessEnd>
  readonly signals: string[] = []
  /** Signals that it ends by. */
  readonly obeys: Set<string> = new Set(['SIGTERM', 'SIGKILL'])
  #end: (end: ProcessEnd) => void = () => {}

  constructor(pid: number) {
    this.pid = pid
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  signal(name: NodeJS.Signals): void {
    this.signals.push(name)
    if (this.obeys.has(name)) this.#end({ kind: 'killed', signal: name })
  }

  async exit(code: number): Promise<void> {
    this.#end({ kind: 'exited', code })
    await settle()
  }
}

/** Keeps nothing, and has taken everything at once. */
export class SilentLog implements ContainerLog {
  readonly runs: number[] = []
  isClosed = false

  async capture(run: number): Promise<void> {
    this.runs.push(run)
  }

  read(): Readable {
    return Readable.from([])
  }

  follow(): () => void {
    return () => {}
  }

  async close(): Promise<void> {
    this.isClosed = true
  }
}

export const noProbes = { startup: undefined, liveness: undefined, readiness: undefined }
export const noHooks = { postStart: undefined, preStop: undefined }
export const aRun: ContainerRun = {
  argv: ['app'],
  folder: '/',
  env: {},
  mounts: [],
  isRootReadOnly: false,
  user: undefined,
}

export function containerPlan(more: Partial<ContainerPlan> = {}): ContainerPlan {
  return {
    name: 'c',
    image: 'x',
    restart: 'Always',
    probes: noProbes,
    hooks: noHooks,
    hasStdin: false,
    hasTty: false,
    resolve: () => aRun,
    ...more,
  }
}

/** Nothing here is dialled or run unless a test says how. */
export const nowhere: ContainerPlace = {
  command: ({ argv }) => ({ file: argv[0], args: argv.slice(1), env: {} }),
  beside: () => undefined,
  ip: '127.0.0.1' as IpAddress,
  dial: () => {
    throw new Error('nothing is dialled here')
  },
}

export interface FakeContainer {
  readonly container: PodContainer
  readonly processes: FakeProcess[]
  readonly events: PodEvent[]
  readonly log: SilentLog
  /** The newest. */
  readonly process: FakeProcess
}

/** A container whose processes are fakes. */
export function fakeContainer(
  clock: FakeClock,
  more: Partial<ConstructorParameters<typeof PodContainer>[0]> & { readonly role?: ContainerRole } = {},
): FakeContainer {
  const processes: FakeProcess[] = []
  const events: PodEvent[] = []
  const log = new SilentLog()
  const startProcess: StartProcess = () => {
    const process = new FakeProcess(100 + processes.length)
    processes.push(process)
    return process
  }
  const container = new PodContainer({
    follow: () => () => {},
    plan: containerPlan(),
    role: 'main',
    clock,
    log,
    podTitle: 'p_ns(u)',
    graceMs: 30_000,
    firstReason: 'ContainerCreating',
    earlier: undefined,
    changed: () => {},
    tell: (event) => void events.push(event),
    startProcess,
    ...more,
  })
  return {
    container,
    processes,
    events,
    log,
    get process() {
      return processes.at(-1) as FakeProcess
    },
  }
}
