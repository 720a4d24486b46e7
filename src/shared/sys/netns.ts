import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import { check, libc } from './libc.ts'
import { SyscallError } from './syscall-error.ts'
import type { Netns } from './types.ts'

const CLONE_NEWNET = 0x40000000
/** ioctl_ns(2): which kind of namespace a descriptor is. */
const NS_GET_NSTYPE = 0xb703
const OWN_NAMESPACE = '/proc/thread-self/ns/net'

/**
 * The namespace this thread shall be in, as descriptors from the outside in. The first is the one the thread started in
 * and is never closed. Each worker thread has its own copy of this module and so its own stack.
 */
const stack: number[] = []

/** Opens a namespace file: `/run/netns/x`, `/proc/1/ns/net`, or a symlink to one. @throws MeshError `SYSCALL_FAILED` */
export function openNetns(path: string): Netns {
  return netnsFromFd(open(path))
}

/**
 * Takes ownership of `fd`, which is closed even when this throws.
 * @throws MeshError `SYSCALL_FAILED` when it is no network namespace
 */
export function netnsFromFd(fd: number): Netns {
  try {
    if (check(libc.ioctl(fd, NS_GET_NSTYPE, null), `ioctl NS_GET_NSTYPE on descriptor ${fd}`) !== CLONE_NEWNET) {
      throw new SyscallError(`descriptor ${fd} is not a network namespace`, 'EINVAL')
    }
    return new OpenNetns(fd)
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** A handle on the namespace this thread is in. @throws MeshError `SYSCALL_FAILED` */
export function currentNetns(): Netns {
  return netnsFromFd(open(OWN_NAMESPACE))
}

/**
 * A new, empty namespace that lives as long as a handle, a socket or a process is in it. Its `lo` is down.
 * @throws MeshError `SYSCALL_FAILED` without CAP_SYS_ADMIN
 */
export function createNetns(): Netns {
  const home = whereToReturn()
  check(libc.unshare(CLONE_NEWNET), 'unshare(CLONE_NEWNET)')
  try {
    return currentNetns()
  } finally {
    returnTo(home)
  }
}

class OpenNetns implements Netns {
  readonly id: string
  readonly #fd: number
  #isClosed = false

  constructor(fd: number) {
    const { dev, ino } = fstatSync(fd, { bigint: true })
    this.id = `${dev}:${ino}`
    this.#fd = fd
  }

  get fd(): number {
    if (this.#isClosed) throw new SyscallError(`use of the closed namespace ${this.id}`, 'EBADF')
    return this.#fd
  }

  run<T>(work: () => T): T {
    const home = whereToReturn()
    check(libc.setns(this.fd, CLONE_NEWNET), 'setns')
    stack.push(this.fd)
    try {
      const result = work()
      if (result instanceof Promise) throw new TypeError('work inside a namespace must not be asynchronous')
      return result
    } finally {
      stack.pop()
      returnTo(home)
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    closeSync(this.#fd)
  }
}

function whereToReturn(): number {
  if (stack.length === 0) stack.push(open(OWN_NAMESPACE))
  return stack.at(-1) as number
}

/** A thread that stays in a pod's namespace would open every later socket there, so failing to leave ends the process. */
function returnTo(home: number): void {
  if (libc.setns(home, CLONE_NEWNET) === 0) return
  writeSync(2, 'fatal: cannot leave a network namespace (setns back failed); this process must not go on\n')
  process.abort()
}

function open(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? 'EIO'
    throw new SyscallError(`open ${path}`, errno, { cause })
  }
}
