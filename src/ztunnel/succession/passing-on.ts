import { closeSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Clock } from '#shared/clock'
import { descriptorOf, type OnRead, resetSocket, type SocketPipe, socketOfDescriptor } from '#shared/net'
import type { Successor } from './bequest.ts'
import type { Estate } from './estate.ts'

/** How long what was read may need to leave, before the connection stays where it is. */
const PATIENCE_MS = 2_000

/** What does not change while the connection lives. */
export type Estates = Omit<Estate, 'elapsedMs' | 'sentBytes' | 'receivedBytes'>

/**
 * Leaves the two sockets of a pipe to the successor, if that is possible; the pipe's copy then ends as `detached`.
 *
 * @param earlier bytes that an earlier process has carried
 */
export async function leavePipe(
  pipe: SocketPipe,
  to: { readonly successor: Successor; readonly clock: Clock },
  estate: Estates & { readonly elapsedMs: number; readonly earlier: Readonly<SocketPipe['meter']> | undefined },
): Promise<void> {
  const { successor, clock } = to
  const { earlier, ...facts } = estate
  const waited = new AbortController()
  const timer = clock.setTimer(PATIENCE_MS, () => waited.abort(), true)
  const leave = async (opener: Socket, target: Socket): Promise<boolean> => {
    const [openerFd, targetFd] = [descriptorOf(opener), descriptorOf(target)]
    if (openerFd === undefined || targetFd === undefined) return false
    const sentBytes = pipe.meter.sentBytes + (earlier?.sentBytes ?? 0)
    const receivedBytes = pipe.meter.receivedBytes + (earlier?.receivedBytes ?? 0)
    return successor.leave({ ...facts, sentBytes, receivedBytes }, openerFd, targetFd)
  }
  await pipe.detach(leave, waited.signal)
  timer.cancel()
}

/** The accepted end of a connection that was left to this process. */
export class InheritedSocket {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  adopt(onread: OnRead): Socket {
    return socketOfDescriptor(this.#fd, onread)
  }

  reset(): void {
    resetSocket(socketOfDescriptor(this.#fd, NOTHING_READ))
  }

  close(): void {
    closeSync(this.#fd)
  }
}

const NOTHING_READ: OnRead = { buffer: () => Buffer.alloc(1), callback: () => false }
