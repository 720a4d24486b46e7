import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { Readable } from 'node:stream'
import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import { RecordEncoder } from './cri-format.ts'
import { readRun } from './read-run.ts'
import { type LogLimits, RunFiles } from './run-files.ts'
import type { ContainerLog, LogQuery, OutputListener, OutputStream } from './types.ts'

export interface ContainerLogSettings {
  /** Of this container alone; made when it is not there. */
  readonly dir: string
  readonly clock: Clock
  readonly logger: Logger
  readonly limits?: LogLimits
}

/** 8 MiB and two older files for each of the last two runs: 48 MiB a container at most. */
const logDefaults: LogLimits = { fileBytes: 8 << 20, olderFiles: 2 }
/** Runs of which files are kept: the last one and the one before. */
const KEPT_RUNS = 2

/** Opens the log of a container, with what earlier runs have left in its folder. */
export function openContainerLog(settings: ContainerLogSettings): ContainerLog {
  return new FileLog(settings)
}

/**
 * The log that an earlier life of this program has left there, to be read.
 * @returns undefined when there is none; `runs` are those of which there is something
 */
export function openLeftLog(
  settings: ContainerLogSettings,
): { readonly log: ContainerLog; readonly runs: number } | undefined {
  if (!existsSync(settings.dir)) return undefined
  const log = new FileLog(settings)
  return { log, runs: log.runs }
}

class FileLog implements ContainerLog {
  readonly #settings: ContainerLogSettings
  /** The last one first. */
  #runs: readonly RunFiles[]
  readonly #listeners = new Map<OutputListener, () => void>()
  #isClosed = false
  #hasFailed = false

  constructor(settings: ContainerLogSettings) {
    this.#settings = settings
    mkdirSync(settings.dir, { recursive: true, mode: 0o700 })
    const runs = readdirSync(settings.dir).flatMap((name) => /^(\d{1,9})\.log$/.exec(name)?.[1] ?? [])
    this.#runs = runs
      .map(Number)
      .sort((a, b) => b - a)
      .map((run) => this.#files(run))
  }

  get runs(): number {
    return this.#runs.length
  }

  async capture(run: number, stdout: Readable, stderr: Readable | undefined): Promise<void> {
    const files = this.#begin(run)
    await Promise.all([
      this.#take(files, 'stdout', stdout),
      stderr === undefined ? undefined : this.#take(files, 'stderr', stderr),
    ])
    for (const runEnded of [...this.#listeners.values()]) runEnded()
    await files.finish()
  }

  read(query: LogQuery, signal: AbortSignal): Readable {
    const files = this.#runs[query.previous ? 1 : 0]
    if (files === undefined) return Readable.from([])
    return streamOf((ending) => readRun(files, query, ending), signal)
  }

  follow(listener: OutputListener, runEnded: () => void = () => {}): () => void {
    this.#listeners.set(listener, runEnded)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#runs.map((files) => files.endFollowers()))
  }

  #begin(run: number): RunFiles {
    const files = this.#runs.find((each) => each.run === run) ?? this.#files(run)
    const runs = [files, ...this.#runs.filter((each) => each !== files)].sort((a, b) => b.run - a.run)
    this.#runs = runs.slice(0, KEPT_RUNS)
    for (const old of runs.slice(KEPT_RUNS)) old.remove()
    files.begin()
    if (this.#isClosed) void files.endFollowers()
    return files
  }

  async #take(files: RunFiles, stream: OutputStream, output: Readable): Promise<void> {
    const { clock } = this.#settings
    const encoder = new RecordEncoder(stream)
    try {
      for await (const chunk of output as AsyncIterable<Buffer>) {
        const written = files.append(encoder.encode(chunk, clock.nowMs()))
        await Promise.all([written, ...[...this.#listeners.keys()].map((listener) => listener(stream, chunk))])
      }
    } catch {
      // A terminal tells its end as an error (EIO).
    }
    await files.append(encoder.end(clock.nowMs()))
  }

  #files(run: number): RunFiles {
    const { dir, logger, limits } = this.#settings
    return new RunFiles(dir, run, limits ?? logDefaults, (error) => {
      // Told once: a full disk would fill the log of this program as well.
      if (!this.#hasFailed) logger.error('log of a container cannot be kept', { dir, reason: reasonOf(error) })
      this.#hasFailed = true
    })
  }
}

/** Unlike `Readable.from`, destroying it ends a source that waits. */
function streamOf(source: (ending: AbortSignal) => AsyncGenerator<Buffer>, signal: AbortSignal): Readable {
  const ending = new AbortController()
  const pieces = source(ending.signal)
  const onAbort = (): void => void stream.destroy()
  const stream = new Readable({
    read() {
      pieces.next().then(
        ({ value }) => stream.push(value ?? null),
        (error: Error) => stream.destroy(error),
      )
    },
    destroy(error, done) {
      signal.removeEventListener('abort', onAbort)
      ending.abort()
      pieces.return(undefined).then(() => done(error), done)
    },
  })
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  return stream
}
