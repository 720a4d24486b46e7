export { type Cidr, cidrContains, cidrContainsBytes, cidrFromBytes, formatCidr, parseCidr } from './cidr.ts'
export {
  formatSocketAddress,
  type IpAddress,
  type IpFamily,
  ipFamily,
  ipFromBytes,
  ipToBytes,
  isLoopback,
  parseIp,
  parseSocketAddress,
  type SocketAddress,
} from './ip.ts'
export type { ByteMeter, OnRead, Slab } from './slab.ts'
