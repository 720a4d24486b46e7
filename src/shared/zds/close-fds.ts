import { closeSync } from 'node:fs'

/** Descriptors that came where none belong. */
export function closeFds(fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd)
}
