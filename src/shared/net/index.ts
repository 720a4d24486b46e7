export {
  acceptRaw,
  adoptSocket,
  descriptorOf,
  type RawConnection,
  type ReadWay,
  socketOfDescriptor,
  takeOverReads,
  verifyReadTakeover,
} from './adopt-socket.ts'
export { ByteBacklog } from './byte-backlog.ts'
export type { ByteChannel, ByteReceiver } from './byte-channel.ts'
export { type Cidr, cidrContains, cidrContainsBytes, cidrFromBytes, formatCidr, parseCidr } from './cidr.ts'
export { ChannelCopy } from './copy-channels.ts'
export {
  formatSocketAddress,
  type IpAddress,
  type IpFamily,
  ipFamily,
  ipFromBytes,
  ipToBytes,
  ipv4At,
  isLoopback,
  parseIp,
  parseSocketAddress,
  type SocketAddress,
} from './ip.ts'
export { PieceQueue } from './piece-queue.ts'
export {
  encodeProxyHeader,
  PROXY_VALUE_PEER_ID,
  type ProxyHeader,
  type ProxyHeaderValue,
  type ReadProxyHeader,
  readProxyHeader,
} from './proxy-header.ts'
export { resetSocket } from './reset-socket.ts'
export { type ByteMeter, type CopyResult, copyBytes, type OnRead, type Slab } from './slab.ts'
export { hotSlabs, quietReadBuffer, SlabPool, type SlabPoolSettings, smallSlabs, tinySlabs } from './slab-pool.ts'
export { SlabWriter, type TakenListener } from './slab-writer.ts'
export { socketChannel } from './socket-channel.ts'
export { SocketPipe } from './socket-pipe.ts'
export { BULK_READ_BYTES, type ReadConsumer, SocketReader } from './socket-reader.ts'
