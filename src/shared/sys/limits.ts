import { check, libc } from './libc.ts'

const RLIMIT_NOFILE = 7

/**
 * Raises the soft limit of open files to the hard one: a tunnel holds several descriptors per connection.
 * @returns the limit that now holds
 * @throws MeshError `SYSCALL_FAILED`
 */
export function raiseFileLimit(): number {
  const limits = new BigUint64Array(2)
  check(libc.prlimit(0, RLIMIT_NOFILE, null, limits), 'prlimit RLIMIT_NOFILE')
  const [soft = 0n, hard = 0n] = limits
  if (soft < hard) check(libc.prlimit(0, RLIMIT_NOFILE, BigUint64Array.of(hard, hard), null), 'prlimit RLIMIT_NOFILE')
  return Number(hard)
}
