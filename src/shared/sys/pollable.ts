import { isMainThread } from 'node:worker_threads'
import { check, libc } from './libc.ts'
import { SyscallError } from './syscall-error.ts'

const F_GETFL = 3
const F_SETFL = 4
const F_SETOWN = 8
const O_ASYNC = 0o20000

const open = new Set<Pollable>()
let isListening = false

/**
 * A non-blocking descriptor on which calls are tried again whenever it may have become readable or writable.
 *
 * Node gives JavaScript no readiness of descriptors it does not know, and a blocking call would hold one of its four
 * pool threads, and the end of the process with it. The kernel's signal-driven I/O (fcntl(2): F_SETOWN, O_ASYNC) needs
 * neither: SIGIO arrives on the event loop, and listening to it keeps no process alive. One signal wakes all, so this is
 * for the handful of control connections of a program, not for data.
 */
export class Pollable {
  readonly fd: number
  readonly #retries = new Set<() => void>()
  #isClosed = false

  /** Takes ownership of `fd`. @throws MeshError `SYSCALL_FAILED` also on a worker thread: signals do not arrive there */
  constructor(fd: number) {
    if (!isMainThread) throw new SyscallError('signal-driven I/O outside the main thread', 'ENOTSUP')
    // Before the first SIGIO can come, and for good: without a handler the signal ends the process.
    if (!isListening) process.on('SIGIO', retryAll)
    isListening = true
    this.fd = fd
    check(libc.fcntl(fd, F_SETOWN, process.pid), 'fcntl F_SETOWN')
    check(
      libc.fcntl(fd, F_SETFL, check(libc.fcntl(fd, F_GETFL, 0), 'fcntl F_GETFL') | O_ASYNC),
      'fcntl F_SETFL O_ASYNC',
    )
    open.add(this)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /**
   * Tries now, and again whenever the descriptor may be ready, until `attempt` gives a result or throws.
   * @returns what it gave, or what `whenClosed` gives (or throws) when this closes first; rejects with the signal's reason
   */
  until<T>(attempt: () => { readonly value: T } | undefined, whenClosed: () => T, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const settle = (): void => {
        this.#retries.delete(tryOnce)
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        settle()
        reject(signal?.reason)
      }
      const tryOnce = (): void => {
        try {
          const done = this.#isClosed ? { value: whenClosed() } : attempt()
          if (done === undefined) return
          settle()
          resolve(done.value)
        } catch (error) {
          settle()
          reject(error)
        }
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#retries.add(tryOnce)
      tryOnce()
    })
  }

  retry(): void {
    for (const tryOnce of [...this.#retries]) tryOnce()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    open.delete(this)
    libc.close(this.fd)
    this.retry()
  }
}

function retryAll(): void {
  for (const pollable of [...open]) pollable.retry()
}
