import { closeSync, openSync } from 'node:fs'
import { basename, dirname } from 'node:path'

/** sun_path holds 108 bytes with its final zero (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107

/** A path for `listen` or `connect` that fits a socket address, whatever the length of the real one. */
export interface SocketPath {
  readonly path: string
  /** After listening or connecting; twice is safe. */
  release(): void
}

/** A long path is reached through a descriptor of its folder: `/proc/self/fd/<n>/<name>`. */
export function openSocketPath(path: string): SocketPath {
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return { path, release: () => {} }
  const fd = openSync(dirname(path), 'r')
  let isOpen = true
  const release = (): void => {
    if (isOpen) closeSync(fd)
    isOpen = false
  }
  return { path: `/proc/self/fd/${fd}/${basename(path)}`, release }
}
