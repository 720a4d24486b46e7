import { type ChildProcess, spawn } from 'node:child_process'
import { Backoff, type Clock, type Timer } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { Logger } from '#shared/telemetry'

/** Asked of a worker, which answers with the same number. */
export interface ReportRequest {
  readonly kind: 'report'
  readonly number: number
}

export interface ReportAnswer<Report> extends ReportRequest {
  readonly report: Report
}

export interface WorkerProcessOptions<Told> {
  /** Counting from 1, for logs. */
  readonly number: number
  readonly command: { readonly file: string; readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv }
  readonly clock: Clock
  readonly log: Logger
  /** A process has been started: it is to be told everything. */
  readonly onStart: () => void
  /** What it says besides its reports. */
  readonly onMessage: (message: Told) => void
  readonly onDeath: () => void
}

/** A worker that dies is back at once; one that keeps dying is not started in a hot loop. */
const RESTART = { firstMs: 10, maxMs: 5_000, jitter: 0.1 }
/** A process that lived this long had nothing wrong from the start. */
const HEALTHY_MS = 10_000
const REPORT_TIMEOUT_MS = 2_000

/**
 * One worker over all its processes: started again whenever it ends, until it is told to. Both ends are the same build of
 * one program, so nothing that they say to each other is checked again.
 *
 * @typeParam Said what it is told besides requests for reports
 * @typeParam Told what it tells besides reports
 */
export class WorkerProcess<Said extends { readonly kind: string }, Told extends { readonly kind: string }, Report> {
  readonly #options: WorkerProcessOptions<Told>
  readonly #backoff: Backoff
  readonly #reports = new Map<number, (report: Report) => void>()
  #child: ChildProcess | undefined
  #timer: Timer | undefined
  #lastReport = 0
  #isEnding = false
  #ended: Promise<void> = Promise.resolve()
  /** Starts after the first. */
  restarts = 0

  constructor(options: WorkerProcessOptions<Told>) {
    this.#options = options
    this.#backoff = new Backoff(options.clock, RESTART)
    this.#start()
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Nothing happens while there is no process: the next one is told everything anyway. */
  send(message: Said | ReportRequest): void {
    if (this.#child?.connected !== true) return
    this.#child.send(message, (error) => {
      // Its end is told by itself.
      if (error !== null)
        this.#options.log.debug('worker was not told', { worker: this.#options.number, kind: message.kind })
    })
  }

  /** @throws MeshError `NOT_FOUND` when it does not answer in time */
  report(): Promise<Report> {
    const number = ++this.#lastReport
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.setTimer(REPORT_TIMEOUT_MS, () => {
        this.#reports.delete(number)
        reject(new MeshError('NOT_FOUND', `worker ${this.#options.number} gave no report`))
      })
      this.#reports.set(number, (report) => {
        timer.cancel()
        resolve(report)
      })
      this.send({ kind: 'report', number })
    })
  }

  /** Told that, it drains by itself; resolves when it has ended. */
  async drain(message: Said): Promise<void> {
    this.#isEnding = true
    this.#timer?.cancel()
    this.send(message)
    await this.#ended
  }

  /** Resolves when it has ended. */
  async kill(): Promise<void> {
    this.#isEnding = true
    this.#timer?.cancel()
    this.#child?.kill('SIGKILL')
    await this.#ended
  }

  #start(): void {
    const { number, command, clock, log, onStart, onDeath } = this.#options
    const { file, args, env } = command
    const startedMs = clock.monotonicMs()
    const child = spawn(file, args, {
      env,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Maps, bytes and big numbers cross as they are.
      serialization: 'advanced',
    })
    this.#child = child
    child.on('message', (message) => this.#take(message as Told | ReportAnswer<Report>))
    this.#ended = new Promise((resolve) => {
      let isOver = false
      const over = (reason: string): void => {
        if (isOver) return
        isOver = true
        this.#child = undefined
        resolve()
        if (this.#isEnding) return
        onDeath()
        if (clock.monotonicMs() - startedMs > HEALTHY_MS) this.#backoff.reset()
        const delayMs = this.#backoff.next()
        log.error('worker ended and is started again', { worker: number, reason, delayMs: Math.round(delayMs) })
        this.#timer = clock.setTimer(delayMs, () => {
          this.restarts++
          this.#start()
        })
      }
      child.once('error', (error) => over(error.message))
      child.once('exit', (code, signal) => over(signal ?? `exit status ${code}`))
    })
    log.info('worker started', { worker: number, pid: child.pid ?? 0 })
    onStart()
  }

  #take(message: Told | ReportAnswer<Report>): void {
    if (isReport(message)) {
      this.#reports.get(message.number)?.(message.report)
      this.#reports.delete(message.number)
    } else this.#options.onMessage(message)
  }
}

function isReport<Report>(message: { readonly kind: string }): message is ReportAnswer<Report> {
  return message.kind === 'report'
}
