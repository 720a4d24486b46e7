import { closeSync, constants, openSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { AF_UNIX } from './sockaddr.ts'

/** sizeof(sun_path) without the final zero byte. */
const MAX_PATH_BYTES = 107
/** O_PATH of fcntl.h, which Node does not name. */
const O_PATH = 0o10000000

/**
 * Calls `use` with the `struct sockaddr_un` of `path`. A path longer than the kernel takes goes by way of a descriptor of
 * its folder, so that state folders may lie as deep as people put them.
 */
export function withUnixAddress<T>(path: string, use: (address: Uint8Array) => T): T {
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return use(encode(path))
  const folder = openSync(dirname(path), O_PATH | constants.O_DIRECTORY)
  try {
    return use(encode(`/proc/self/fd/${folder}/${basename(path)}`))
  } finally {
    closeSync(folder)
  }
}

function encode(path: string): Uint8Array {
  const text = Buffer.from(path)
  if (text.length > MAX_PATH_BYTES) throw new RangeError(`the socket name ${JSON.stringify(path)} is too long`)
  const bytes = new Uint8Array(2 + text.length + 1)
  bytes[0] = AF_UNIX
  bytes.set(text, 2)
  return bytes
}
