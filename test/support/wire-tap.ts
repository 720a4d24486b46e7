import { readlinkSync } from 'node:fs'
import koffi from 'koffi'
import { openNetns } from '#shared/sys'

const AF_PACKET = 17
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2000000
const ETH_P_ALL = 0x0003
const SOL_SOCKET = 1
const SO_RCVBUFFORCE = 33
const BUFFER_BYTES = 8 << 20
const POLL_MS = 2

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int, int, int)')
const setsockopt = libc.func('int setsockopt(int, int, int, const int32_t*, uint32_t)')
const recv = libc.func('int64_t recv(int, _Out_ uint8_t*, size_t, int)')
const close = libc.func('int close(int)')

/** Every byte that crossed the interfaces of a process's network namespace while `work` ran, as one latin1 text. */
export async function tapWire(pid: number, work: () => Promise<unknown>): Promise<string> {
  const netns = openNetns(`/proc/${pid}/ns/net`)
  const fd: number = netns.run(() =>
    socket(AF_PACKET, SOCK_RAW_NONBLOCK_CLOEXEC, ((ETH_P_ALL & 0xff) << 8) | (ETH_P_ALL >> 8)),
  )
  if (fd < 0) throw new Error(`no packet socket in ${readlinkSync(`/proc/${pid}/ns/net`)}`)
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, [BUFFER_BYTES], 4)
  const packet = Buffer.alloc(65_536)
  const seen: string[] = []
  const drain = (): void => {
    for (let n = Number(recv(fd, packet, packet.length, 0)); n > 0; n = Number(recv(fd, packet, packet.length, 0))) {
      seen.push(packet.toString('latin1', 0, n))
    }
  }
  const poll = setInterval(drain, POLL_MS)
  try {
    await work()
  } finally {
    clearInterval(poll)
    drain()
    close(fd)
    netns.close()
  }
  return seen.join('\n')
}
