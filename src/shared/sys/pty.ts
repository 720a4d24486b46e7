import { closeSync, constants, openSync } from 'node:fs'
import { Readable, Writable } from 'node:stream'
import { ReadStream } from 'node:tty'
import { check, libc } from './libc.ts'
import { SyscallError } from './syscall-error.ts'

/** Of asm-generic/ioctls.h, the same on x86-64 and arm64. */
const TIOCSWINSZ = 0x5414
const TIOCGPTN = 0x80045430
const TIOCSPTLCK = 0x40045431

/**
 * A pseudo-terminal. A process has one side as its standard streams; what it writes there comes out of `output`, what is
 * written to `input` is what its user types.
 */
export class Pty {
  /** The process's side, for `spawn`'s stdio; closed by `releaseProcessSide`. */
  readonly processFd: number
  /** Ends when no process has the other side open any more. */
  readonly output: Readable
  /** Its end tells the process nothing: a terminal has none. */
  readonly input: Writable
  readonly #fd: number
  readonly #terminal: ReadStream
  #isProcessSideOpen = true

  private constructor(fd: number, processFd: number) {
    this.#fd = fd
    this.processFd = processFd
    // Owns the descriptor and closes it with itself.
    this.#terminal = new ReadStream(fd)
    this.output = outputOf(this.#terminal)
    this.input = inputOf(this.#terminal)
  }

  /** @throws MeshError `SYSCALL_FAILED`; no descriptor is left behind */
  static open(): Pty {
    const fd = openTerminal('/dev/ptmx')
    try {
      const value = new Uint32Array(1)
      check(libc.ioctl(fd, TIOCSPTLCK, value), 'ioctl TIOCSPTLCK')
      check(libc.ioctl(fd, TIOCGPTN, value), 'ioctl TIOCGPTN')
      const processFd = openTerminal(`/dev/pts/${value[0]}`)
      try {
        return new Pty(fd, processFd)
      } catch (error) {
        closeSync(processFd)
        throw error
      }
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** The kernel tells the processes by SIGWINCH. */
  resize(columns: number, rows: number): void {
    if (this.#terminal.destroyed) return
    // struct winsize: rows, columns, and two sizes in pixels that nobody uses, u16 each.
    const size = new Uint8Array(Uint16Array.of(rows, columns, 0, 0).buffer)
    check(libc.ioctl(this.#fd, TIOCSWINSZ, size), 'ioctl TIOCSWINSZ')
  }

  /** After the process was started: only then its end is the output's end. Safe to call twice. */
  releaseProcessSide(): void {
    if (!this.#isProcessSideOpen) return
    this.#isProcessSideOpen = false
    closeSync(this.processFd)
  }

  /** Hangs up: the session that has it as its terminal gets SIGHUP. Safe to call twice. */
  close(): void {
    this.releaseProcessSide()
    this.#terminal.destroy()
  }
}

function openTerminal(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_NOCTTY)
  } catch (cause) {
    throw new SyscallError(`open ${path}`, (cause as NodeJS.ErrnoException).code ?? 'EIO', { cause })
  }
}

function outputOf(terminal: ReadStream): Readable {
  const output = new Readable({
    read: () => void terminal.resume(),
    destroy(error, done) {
      terminal.destroy()
      done(error)
    },
  })
  terminal.pause()
  terminal.on('data', (chunk: Buffer) => {
    if (!output.push(chunk)) terminal.pause()
  })
  const end = (): void => {
    if (!output.readableEnded && !output.destroyed) output.push(null)
    terminal.destroy()
  }
  // EIO is how a terminal says that nobody has it open any more.
  terminal.once('error', end)
  terminal.once('end', end)
  terminal.once('close', end)
  return output
}

function inputOf(terminal: ReadStream): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      // What is typed for a process that is gone goes nowhere.
      if (terminal.destroyed) done()
      else terminal.write(chunk, () => done())
    },
  })
}
