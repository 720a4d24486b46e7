import { mallocTrim } from './libc.ts'

/**
 * Gives back to the kernel what the C library keeps of freed memory: compilers and bursts of buffers leave tens of MB
 * there (bench/NOTES.md). Takes some ms after a burst and µs when there is nothing to give.
 *
 * @returns false where the C library has no such call: musl, which keeps less
 */
export function trimHeap(): boolean {
  if (mallocTrim === undefined) return false
  mallocTrim(0)
  return true
}
