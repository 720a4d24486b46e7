import { getSystemErrorMap } from 'node:util'
import koffi from 'koffi'
import { SyscallError } from './syscall-error.ts'

/** The C library that this process already has: glibc or musl, without naming its file. */
const library = koffi.load(null)

/** Memory that a call reads or fills; null where the call takes none. */
type Memory = Uint8Array | Uint32Array | Int32Array | BigUint64Array | null
type Kind = 'int' | 'memory' | 'size' | 'ulong'

const kinds = { int: 'int', memory: 'void *', size: 'size_t', ulong: 'unsigned long' } as const

/** One C function; -1 with errno set means failure for all of them. */
function declare<Call>(name: string, ...parameters: readonly Kind[]): Call {
  // koffi knows no types before it has parsed the signature, so this is where they are claimed.
  return library.func(
    name,
    'int64_t',
    parameters.map((kind) => kinds[kind]),
  ) as unknown as Call
}

/** The same, for functions that return an int: only 32 bits of the result are defined. */
function declareInt<Call>(name: string, ...parameters: readonly Kind[]): Call {
  return library.func(
    name,
    'int',
    parameters.map((kind) => kinds[kind]),
  ) as unknown as Call
}

/** The system calls of this room. Each gives -1 on failure; read `failure()` before the next call. */
export const libc: Libc = {
  setns: declareInt('setns', 'int', 'int'),
  unshare: declareInt('unshare', 'int'),
  socket: declareInt('socket', 'int', 'int', 'int'),
  socketpair: declareInt('socketpair', 'int', 'int', 'int', 'memory'),
  bind: declareInt('bind', 'int', 'memory', 'int'),
  listen: declareInt('listen', 'int', 'int'),
  accept4: declareInt('accept4', 'int', 'memory', 'memory', 'int'),
  connect: declareInt('connect', 'int', 'memory', 'int'),
  getsockname: declareInt('getsockname', 'int', 'memory', 'memory'),
  getsockopt: declareInt('getsockopt', 'int', 'int', 'int', 'memory', 'memory'),
  setsockopt: declareInt('setsockopt', 'int', 'int', 'int', 'memory', 'int'),
  fcntl: declareInt('fcntl', 'int', 'int', 'int'),
  ioctl: declareInt('ioctl', 'int', 'ulong', 'memory'),
  close: declareInt('close', 'int'),
  prlimit: declareInt('prlimit', 'int', 'int', 'memory', 'memory'),
  send: declare('send', 'int', 'memory', 'size', 'int'),
  recv: declare('recv', 'int', 'memory', 'size', 'int'),
  sendmsg: declare('sendmsg', 'int', 'memory', 'int'),
  recvmsg: declare('recvmsg', 'int', 'memory', 'int'),
}

/** glibc's malloc_trim(3); undefined where the C library has none. */
export const mallocTrim: ((keepBytes: number) => number) | undefined = declareOptional('malloc_trim', 'size')

/** A function that not every C library has. */
function declareOptional<Call>(name: string, ...parameters: readonly Kind[]): Call | undefined {
  try {
    return declareInt<Call>(name, ...parameters)
  } catch {
    return undefined
  }
}

export interface Libc {
  setns(fd: number, type: number): number
  unshare(flags: number): number
  socket(family: number, type: number, protocol: number): number
  socketpair(family: number, type: number, protocol: number, pair: Int32Array): number
  bind(fd: number, address: Uint8Array, length: number): number
  listen(fd: number, backlog: number): number
  accept4(fd: number, address: Memory, length: Memory, flags: number): number
  connect(fd: number, address: Uint8Array, length: number): number
  getsockname(fd: number, address: Uint8Array, length: Uint32Array): number
  getsockopt(fd: number, level: number, name: number, value: Memory, length: Uint32Array): number
  setsockopt(fd: number, level: number, name: number, value: Memory, length: number): number
  fcntl(fd: number, command: number, argument: number): number
  ioctl(fd: number, request: number, argument: Memory): number
  close(fd: number): number
  prlimit(pid: number, resource: number, wanted: Memory, current: Memory): number
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number
  recv(fd: number, bytes: Uint8Array, length: number, flags: number): number
  sendmsg(fd: number, header: BigUint64Array, flags: number): number
  recvmsg(fd: number, header: BigUint64Array, flags: number): number
}

/** Where `memory` lies. It stays there as long as the caller holds the array: taking the address pins it off the heap. */
export function addressOf(memory: Uint8Array | BigUint64Array): bigint {
  return BigInt(koffi.address(memory))
}

/** The error of the call that has just failed. */
export function failure(call: string): SyscallError {
  return new SyscallError(call, errnoName(koffi.errno()))
}

/** @throws SyscallError when `result` says that the call failed */
export function check(result: number, call: string): number {
  if (result < 0) throw failure(call)
  return result
}

/** `EPERM` for 1; `errno 999` for a number that no one knows. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`
}
