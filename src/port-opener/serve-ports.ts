import { closeSync } from 'node:fs'
import type { Clock } from '#shared/clock'
import { encodePortPacket, PORT_PACKET_BYTES, type PortAnswer, readOpenPort } from '#shared/control'
import type { IpAddress } from '#shared/net'
import { listenHere, listenSeqPacket, type SeqPacketConnection, SyscallError } from '#shared/sys'

/** Never another: what a mesh opens is for this machine only. */
const LOOPBACK = '127.0.0.1' as IpAddress
/** Its owner alone. */
const SOCKET_MODE = 0o600
/** A supervisor that has not come by then never will. */
const PATIENCE_MS = 60_000

/**
 * Opens ports of this network's loopback for the one supervisor that connects at `path`, and hands them over. Resolves
 * when it is gone, or does not come.
 *
 * @throws MeshError `SYSCALL_FAILED` when nobody can listen at `path`
 */
export async function servePorts(path: string, clock: Clock): Promise<void> {
  const listener = listenSeqPacket(path, SOCKET_MODE, PORT_PACKET_BYTES)
  const patience = new AbortController()
  const timer = clock.setTimer(PATIENCE_MS, () => patience.abort(new Error('no supervisor came')))
  let connection: SeqPacketConnection | undefined
  try {
    connection = await listener.accept(patience.signal)
  } finally {
    timer.cancel()
    await listener.close()
  }
  if (connection === undefined) return
  try {
    for (let packet = await connection.receive(); packet !== undefined; packet = await connection.receive()) {
      // None are expected; a descriptor that is not closed would stay for good.
      for (const fd of packet.fds) closeSync(fd)
      await answer(connection, packet.bytes)
    }
  } finally {
    await connection.close()
  }
}

async function answer(connection: SeqPacketConnection, bytes: Uint8Array): Promise<void> {
  const asked = readOpenPort(bytes)
  if (asked === undefined) return connection.send(encodePortPacket(refused('EINVAL')))
  let fd: number
  try {
    fd = listenHere({ ip: LOOPBACK, port: asked.port })
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    return connection.send(encodePortPacket(refused(error.errno)))
  }
  try {
    await connection.send(encodePortPacket({ kind: 'opened' }), [fd])
  } finally {
    // The supervisor has its own descriptor of it.
    closeSync(fd)
  }
}

function refused(errno: string): PortAnswer {
  return { kind: 'refused', errno }
}
