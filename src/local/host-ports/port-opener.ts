import { closeSync } from 'node:fs'
import { type Clock, sleep } from '#shared/clock'
import { encodePortPacket, PORT_PACKET_BYTES, readPortAnswer } from '#shared/control'
import { MeshError, reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { connectSeqPacket, type SeqPacketConnection, type SeqPacketMessage } from '#shared/sys'

export type OpenedPort =
  | { readonly kind: 'opened'; readonly fd: number }
  | { readonly kind: 'refused'; readonly errno: string }

/** It is started just before this program, and needs a moment. */
const CONNECT_PATIENCE_MS = 20_000
const LOOK_MS = 20

/** The process outside that opens ports of the machine, seen from in here. */
export class PortOpener implements Closer {
  readonly #connection: SeqPacketConnection
  /** Questions are answered in order, so one is asked at a time. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(connection: SeqPacketConnection) {
    this.#connection = connection
  }

  /** @throws MeshError `COMMAND_FAILED` when it does not come up; the signal's reason when it aborts */
  static async connect(path: string, clock: Clock, signal: AbortSignal): Promise<PortOpener> {
    const untilMs = clock.monotonicMs() + CONNECT_PATIENCE_MS
    for (;;) {
      try {
        return new PortOpener(connectSeqPacket(path, PORT_PACKET_BYTES))
      } catch (cause) {
        if (clock.monotonicMs() > untilMs)
          throw new MeshError('COMMAND_FAILED', `the port opener does not come up: ${reasonOf(cause)}`, { cause })
        await sleep(clock, LOOK_MS, signal)
      }
    }
  }

  /** A listening socket of the machine's 127.0.0.1. @throws MeshError when the process outside is gone */
  open(port: number): Promise<OpenedPort> {
    const opened = this.#last.then(() => this.#ask(port))
    this.#last = opened.catch(() => {})
    return opened
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  async #ask(port: number): Promise<OpenedPort> {
    const packet = await this.#exchange(encodePortPacket({ port }))
    const [fd, ...others] = packet.fds
    for (const each of others) closeSync(each)
    const answer = readPortAnswer(packet.bytes)
    if (answer?.kind === 'opened' && fd !== undefined) return { kind: 'opened', fd }
    if (fd !== undefined) closeSync(fd)
    return { kind: 'refused', errno: answer?.kind === 'refused' ? answer.errno : 'EPROTO' }
  }

  async #exchange(question: Uint8Array): Promise<SeqPacketMessage> {
    const gone = 'the process that opens ports of the machine is gone; take the mesh down and up again'
    try {
      await this.#connection.send(question)
    } catch (cause) {
      throw new MeshError('COMMAND_FAILED', gone, { cause })
    }
    const packet = await this.#connection.receive()
    if (packet === undefined) throw new MeshError('COMMAND_FAILED', gone)
    return packet
  }
}
