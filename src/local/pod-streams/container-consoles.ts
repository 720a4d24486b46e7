import { type Command, type SessionOptions, SessionProcess } from '../host/index.ts'
import type { ContainerConsole } from './types.ts'

/** Starts the processes of containers, and keeps hold of their inputs and terminals for those who attach. */
export class ContainerConsoles {
  readonly #setsid: string
  /** By pid, in this program's own numbering. */
  readonly #running = new Map<number, SessionProcess>()

  constructor(setsid: string) {
    this.#setsid = setsid
  }

  /** @param plan whether it keeps an input open, and a terminal around it */
  start(command: Command, { hasStdin, hasTty }: SessionOptions): SessionProcess {
    const session = new SessionProcess(command, { hasStdin, hasTty }, this.#setsid)
    const { pid } = session
    if (pid === undefined) return session
    this.#running.set(pid, session)
    void session.ended.then(() => {
      session.killRest()
      // Its pid may be another's already.
      if (this.#running.get(pid) === session) this.#running.delete(pid)
    })
    return session
  }

  /** Undefined when none of the containers' processes that run has this pid. */
  of(pid: number): ContainerConsole | undefined {
    return this.#running.get(pid)
  }
}
