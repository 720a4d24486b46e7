import { createSocket, type Socket } from 'node:dgram'
import { formatSocketAddress, type IpFamily, ipFamily } from '#shared/net'
import { check, libc } from './libc.ts'
import { encodeSockaddr } from './sockaddr.ts'
import { setOption, trySetOption, udpSocketIn } from './socket-options.ts'
import type { DatagramListenOptions, DatagramOptions, Netns } from './types.ts'

/**
 * A UDP socket in `netns`, receiving at an address; it owns its descriptor.
 *
 * @throws MeshError `SYSCALL_FAILED` when the address is taken or not there; no descriptor is left behind
 */
export function receiveIn(netns: Netns, options: DatagramListenOptions): Socket {
  return datagramSocket(netns, ipFamily(options.ip), options, (fd) => {
    if (options.reusePort) setOption(fd, 'SO_REUSEPORT', 1)
    const address = encodeSockaddr(options.ip, options.port)
    check(libc.bind(fd, address, address.length), `bind ${formatSocketAddress(options)} for UDP`)
  })
}

/**
 * A UDP socket in `netns` that is at no address yet: the kernel chooses a port at random when it is connected, and then
 * takes packets of that peer only.
 *
 * @throws MeshError `SYSCALL_FAILED`; no descriptor is left behind
 */
export function datagramsFrom(netns: Netns, family: IpFamily, options: DatagramOptions = {}): Socket {
  return datagramSocket(netns, family, options, () => {})
}

function datagramSocket(
  netns: Netns,
  family: IpFamily,
  { mark }: DatagramOptions,
  prepare: (fd: number) => void,
): Socket {
  const fd = udpSocketIn(netns, family)
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
  try {
    if (mark !== undefined) setOption(fd, 'SO_MARK', mark)
    prepare(fd)
    // From here the socket owns the descriptor and closes it with itself.
    socket.bind({ fd, exclusive: true })
  } catch (error) {
    libc.close(fd)
    throw error
  }
  // libuv sets it, and then anybody in the namespace could take the port over, or be given the same one.
  trySetOption(fd, 'SO_REUSEADDR', 0)
  return socket
}
