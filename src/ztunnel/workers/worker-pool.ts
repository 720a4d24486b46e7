import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { IdentityMaterial } from '#shared/identity'
import type { Closer, Readiness } from '#shared/lifecycle'
import type { SpiffeId } from '#shared/model'
import type { Logger } from '#shared/telemetry'
import { countersOf, mergeMetrics, WorkerProcess } from '#shared/workers'
import { serveZds, type ZdsServer } from '#shared/zds'
import { heirPathOf } from './estate-routes.ts'
import type { Outcome, ToSupervisor, ToWorker, WorkerReport } from './messages.ts'
import type { Shard } from './pod-shards.ts'

export interface WorkerPoolOptions {
  readonly count: number
  /** The command of a worker that takes its pods at that socket. */
  readonly command: (zdsPath: string) => {
    readonly file: string
    readonly args: readonly string[]
    readonly env: NodeJS.ProcessEnv
  }
  readonly clock: Clock
  readonly log: Logger
  readonly readiness: Readiness
  /** Everything that a new process is to be told, in order. */
  readonly introduction: () => Iterable<ToWorker>
  /** @throws MeshError `CERTIFICATE_UNAVAILABLE` */
  readonly materialOf: (id: SpiffeId) => Promise<IdentityMaterial>
  /** @throws MeshError `XDS_STREAM_LOST` */
  readonly askFor: (names: readonly string[]) => Promise<void>
}

/** One worker, its socket for pods, and what it was given. */
class Worker implements Shard {
  readonly zds: ZdsServer
  readonly heirPath: string
  readonly process: WorkerProcess<ToWorker, Exclude<ToSupervisor, { kind: 'report' }>, WorkerReport>
  /** Identities whose key it has, and so gets anew when they are renewed. */
  readonly identities = new Set<SpiffeId>()
  /** Its counters when they were last seen, of this process and of those before it. */
  seen = ''
  gone = ''
  #isServing = false
  #waiters: (() => void)[] = []

  constructor(number: number, path: string, options: WorkerPoolOptions) {
    const { clock, log, readiness, command, introduction } = options
    const task = `worker ${number}`
    readiness.add(task)
    this.heirPath = heirPathOf(path)
    this.zds = serveZds({ path, pods: [], clock, logger: log, onTunnels: () => this.#lookedAt() })
    this.process = new WorkerProcess({
      number,
      command: command(path),
      clock,
      log,
      onStart: () => {
        // Who starts it has no name for it yet.
        queueMicrotask(() => {
          for (const message of introduction()) this.process.send(message)
        })
      },
      onMessage: (message) => {
        if (message.kind !== 'ready') void answer(this, message, options)
        else if (message.isReady) readiness.done(task)
        else readiness.add(task)
      },
      onDeath: () => {
        readiness.add(task)
        this.identities.clear()
        this.gone = mergeMetrics([this.gone, countersOf(this.seen)], () => false)
        this.seen = ''
      },
    })
  }

  serving(): Promise<void> {
    if (this.#isServing) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  #lookedAt(): void {
    this.#isServing = this.zds.tunnelCount > 0
    if (this.#isServing) for (const served of this.#waiters.splice(0)) served()
  }
}

/** All workers of a tunnel. */
export class WorkerPool implements Closer {
  readonly #workers: readonly Worker[]
  readonly #folder: string
  readonly #log: Logger

  constructor(options: WorkerPoolOptions) {
    this.#log = options.log
    // Only this user may enter it.
    this.#folder = mkdtempSync(join(tmpdir(), 'ztunnel-'))
    this.#workers = Array.from(
      { length: options.count },
      (_, i) => new Worker(i + 1, join(this.#folder, `worker-${i + 1}.sock`), options),
    )
  }

  get shards(): readonly Shard[] {
    return this.#workers
  }

  /** Pids now, for dumps. */
  get pids(): readonly (number | undefined)[] {
    return this.#workers.map((worker) => worker.process.pid)
  }

  tell(message: ToWorker): void {
    for (const worker of this.#workers) worker.process.send(message)
  }

  /** To each worker that has the key of that identity. */
  renew(id: SpiffeId, material: IdentityMaterial): void {
    for (const worker of this.#workers) {
      if (!worker.identities.has(id)) continue
      worker.process.send({ kind: 'certificate', number: undefined, id, outcome: { ok: true, value: material } })
    }
  }

  /** Of all workers that answer; one that does not is told in the log. */
  async reports(): Promise<readonly WorkerReport[]> {
    const asked = await Promise.allSettled(
      this.#workers.map(async (worker) => {
        const report = await worker.process.report()
        worker.seen = report.metrics
        return report
      }),
    )
    return asked.flatMap((result) => {
      if (result.status === 'fulfilled') return [result.value]
      this.#log.warn('a worker is missing in what is shown', { reason: reasonOf(result.reason) })
      return []
    })
  }

  /** The numbers of all workers and of the processes that were theirs before, as texts to be merged. */
  async metrics(): Promise<readonly string[]> {
    const reports = await this.reports()
    return [...reports.map(({ metrics }) => metrics), ...this.#workers.map(({ gone }) => gone)]
  }

  /** Resolves when all have ended. @param heirPath where the tunnel that takes this one's place takes connections */
  async drain(heirPath: string | undefined): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.process.drain({ kind: 'drain', heirPath })))
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.process.kill()))
    await Promise.all(this.#workers.map((worker) => worker.zds.close()))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Never rejects. */
async function answer(
  worker: Worker,
  message: Extract<ToSupervisor, { kind: 'certificate?' | 'names?' }>,
  { materialOf, askFor }: WorkerPoolOptions,
): Promise<void> {
  const { number } = message
  if (message.kind === 'names?') {
    const outcome = await outcomeOf(askFor(message.names).then(() => undefined))
    worker.process.send({ kind: 'answered', number, outcome })
    return
  }
  const { id } = message
  worker.identities.add(id)
  worker.process.send({ kind: 'certificate', number, id, outcome: await outcomeOf(materialOf(id)) })
}

async function outcomeOf<T>(asked: Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await asked }
  } catch (error) {
    return { ok: false, reason: reasonOf(error) }
  }
}
