import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SeqPacketConnection, SeqPacketMessage } from '#shared/sys'

export interface ZdsPackets {
  readonly hello: Uint8Array
  readonly done: Uint8Array
  readonly snapshotSent: Uint8Array
  add(uid: string, name?: string, namespace?: string, account?: string): Uint8Array
  addWithoutInfo(uid: string): Uint8Array
  keep(uid: string): Uint8Array
  delete(uid: string): Uint8Array
  refused(error: string): Uint8Array
}

/** Packets of ZDS as they were seen on the wire, written by hand so that tests do not lean on our own codec. */
export const zds: ZdsPackets = {
  hello: hexBytes('0801'),
  done: hexBytes('0a00'),
  snapshotSent: hexBytes('1a00'),
  add: (uid: string, name = 'web', namespace = 'shop', account = 'sa'): Uint8Array =>
    field(1, field(1, uid), field(2, field(1, name), field(2, namespace), field(3, account))),
  addWithoutInfo: (uid: string): Uint8Array => field(1, field(1, uid)),
  keep: (uid: string): Uint8Array => field(5, field(1, uid)),
  delete: (uid: string): Uint8Array => field(2, field(2, uid)),
  refused: (error: string): Uint8Array => field(1, field(1, error)),
}

/** A length-delimited field; all of these are shorter than 128 bytes or say so in two. */
export function field(number: number, ...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)))
  const length = body.length < 0x80 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >> 7]
  return new Uint8Array(Buffer.concat([Uint8Array.from([(number << 3) | 2, ...length]), body]))
}

export function hexBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}

/** The text of an acknowledgement; empty = done. */
export function ackText(packet: SeqPacketMessage | undefined): string {
  const bytes = Buffer.from(packet?.bytes ?? [])
  if (bytes[0] !== 0x0a) throw new Error(`no acknowledgement: ${bytes.toString('hex')}`)
  const outer = bytes.subarray((bytes[1] ?? 0) < 0x80 ? 2 : 3)
  return outer.length === 0 ? '' : outer.subarray((outer[1] ?? 0) < 0x80 ? 2 : 3).toString('utf8')
}

/** The next packet, which must come. */
export async function packetOf(connection: SeqPacketConnection): Promise<SeqPacketMessage> {
  const packet = await connection.receive()
  if (packet === undefined) throw new Error('the connection has ended')
  return packet
}

/** A folder for sockets, removed at the end. */
export function socketFolder(): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-zds-'))
  return { path: join(folder, 'ztunnel.sock'), remove: () => rmSync(folder, { recursive: true, force: true }) }
}
