import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { listenSeqPacket, type SeqPacketConnection } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import { decodeEstate, type Estate, MAX_ESTATE_BYTES } from './estate.ts'

/** Where tunnels of one node meet: beside the node agent's socket, which they all know. */
export const HEIR_FILE: RegExp = /^ztunnel-heir-[0-9a-f]{16}\.sock$/
export const TAKEN: Buffer = Buffer.from('taken')
export const REFUSED: Buffer = Buffer.from('refused')

/** Only root, or the owner of the user namespace, may connect. */
const SOCKET_MODE = 0o600
/** A connection is two sockets. */
const DESCRIPTORS = 2

/** Goes on with a connection and owns both descriptors; false = it does not, and they are the caller's again. */
export type TakeEstate = (estate: Estate, opener: number, target: number) => boolean | Promise<boolean>

export interface HeirOptions {
  /** Of the node agent's socket. */
  readonly inpodUds: string
  readonly log: Logger
  readonly take: TakeEstate
}

export interface Heir extends Closer {
  readonly path: string
}

/** From now on tunnels that end may leave their connections here. @throws MeshError `SYSCALL_FAILED` */
export function becomeHeir({ inpodUds, log, take }: HeirOptions): Heir {
  return takeEstatesAt(join(dirname(inpodUds), `ztunnel-heir-${randomBytes(8).toString('hex')}.sock`), log, take)
}

/** Takes connections at a path of the caller's. @throws MeshError `SYSCALL_FAILED` */
export function takeEstatesAt(path: string, log: Logger, take: TakeEstate): Heir {
  const listener = listenSeqPacket(path, SOCKET_MODE, MAX_ESTATE_BYTES)
  const closing = new AbortController()
  const serve = async (): Promise<void> => {
    for (;;) {
      const connection = await listener.accept(closing.signal)
      if (connection === undefined) return
      inherit(connection, take, closing.signal)
        .then((count) => {
          if (count > 0) log.info('connections of a tunnel that ends are gone on with', { count })
        })
        .catch((error: unknown) => log.warn('a tunnel that ends broke off', { reason: reasonOf(error) }))
        .finally(() => connection.close())
    }
  }
  serve().catch((error: unknown) => {
    if (!closing.signal.aborted) log.error('connections can be left here no longer', { reason: reasonOf(error) })
  })
  return {
    path,
    async close() {
      closing.abort(new Error('closed'))
      await listener.close()
    },
  }
}

/** @returns how many connections were taken */
async function inherit(connection: SeqPacketConnection, take: TakeEstate, signal: AbortSignal): Promise<number> {
  for (let count = 0; ; ) {
    const message = await connection.receive(signal)
    if (message === undefined) return count
    const isTaken = await takeOne(message.bytes, message.fds, take)
    if (isTaken) count++
    await connection.send(isTaken ? TAKEN : REFUSED)
  }
}

async function takeOne(bytes: Uint8Array, fds: readonly number[], take: TakeEstate): Promise<boolean> {
  const estate = decodeEstate(bytes)
  const [opener, target] = fds
  const isWhole = estate !== undefined && fds.length === DESCRIPTORS && opener !== undefined && target !== undefined
  if (isWhole && (await take(estate, opener, target))) return true
  for (const fd of fds) closeSync(fd)
  return false
}
