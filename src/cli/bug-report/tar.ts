/** A file of an archive. */
export interface ArchiveFile {
  /** Below the archive's one folder: at most 100 bytes behind the last slash, 155 before it, with that folder. */
  readonly path: string
  readonly text: string
}

const BLOCK = 512
const MODE = '0000600'
const MAX_NAME_BYTES = 100
const MAX_FOLDER_BYTES = 155

/** An archive in the format of POSIX (ustar), for its owner to read. @throws RangeError when a path is too long */
export function tarOf(folder: string, files: readonly ArchiveFile[], atMs: number): Buffer {
  const parts = files.flatMap(({ path, text }) => {
    const body = Buffer.from(text)
    return [headerOf(`${folder}/${path}`, body.length, atMs), body, Buffer.alloc(padding(body.length))]
  })
  // Two empty blocks are the end.
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)])
}

function headerOf(path: string, bytes: number, atMs: number): Buffer {
  const slash = path.lastIndexOf('/')
  const [folder, name] = [path.slice(0, slash), path.slice(slash + 1)]
  if (Buffer.byteLength(name) > MAX_NAME_BYTES || Buffer.byteLength(folder) > MAX_FOLDER_BYTES)
    throw new RangeError(`${path} is too long for an archive`)
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0)
  header.write(folder, 345)
  header.write(MODE, 100)
  for (const owner of [108, 116]) header.write('0000000', owner)
  header.write(octal(bytes, 11), 124)
  header.write(octal(Math.floor(atMs / 1000), 11), 136)
  header.write('0', 156)
  header.write('ustar\x0000', 257, 'latin1')
  // The checksum counts its own field as spaces.
  header.fill(' ', 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${octal(sum, 6)}\0 `, 148, 'latin1')
  return header
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}

function padding(bytes: number): number {
  return (BLOCK - (bytes % BLOCK)) % BLOCK
}
