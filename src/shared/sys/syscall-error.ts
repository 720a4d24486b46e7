import { MeshError } from '#shared/errors'

/** A system call that the kernel refused. */
export class SyscallError extends MeshError {
  /** What was asked for, in words: `setns`, `bind 0.0.0.0:15001`. */
  readonly call: string
  /** `EPERM`, `EADDRINUSE`… */
  readonly errno: string

  constructor(call: string, errno: string, options?: ErrorOptions) {
    super('SYSCALL_FAILED', `${call}: ${errno}`, options)
    this.call = call
    this.errno = errno
  }
}
