import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Whether a C compiler is here to make what shifts a process' clock. */
export const isCompilerThere: boolean = spawnSync('cc', ['--version']).status === 0

/** A wall clock of the test's own for processes that are started with `env`; the machine's is not touched. */
export class WallClock {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ambit-clock-'))
  readonly #fd: number
  readonly env: Readonly<Record<string, string>>

  constructor() {
    const library = join(this.#folder, 'wall-clock.so')
    const offset = join(this.#folder, 'offset')
    const source = join(import.meta.dirname, 'wall-clock.c')
    const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'])
    if (status !== 0) throw new Error(String(stderr))
    this.#fd = openSync(offset, 'w')
    this.shift(0)
    this.env = { LD_PRELOAD: library, AMBIT_TEST_WALL_OFFSET: offset }
  }

  /** So many seconds ahead of the real time, from now on. */
  shift(seconds: number): void {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(seconds))
    writeSync(this.#fd, bytes, 0, bytes.length, 0)
  }

  close(): void {
    closeSync(this.#fd)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
