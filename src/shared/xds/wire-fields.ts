import { MeshError } from '#shared/errors'
import type { GatewayAddress, GatewayDestination, PortMapping } from '#shared/model'
import { type IpAddress, ipFromBytes, ipToBytes } from '#shared/net'
import type { GatewayAddressMessage, NetworkAddressMessage, PortMessage } from './messages.ts'

/** Parts that workloads, services and policies have in common on the wire. */

export function invalid(problem: string): MeshError {
  return new MeshError('RESOURCE_INVALID', problem)
}

/** The name of an enum's number. @throws MeshError `RESOURCE_INVALID` for a number without a name */
export function enumName<Name>(names: readonly (Name | undefined)[], field: string, value: number): Name {
  const name = names[value]
  if (name === undefined) throw invalid(`unknown ${field} ${value}`)
  return name
}

/** Ports are cut to 16 bits, not checked, as Istio's ztunnel does. */
export function port(value: number): number {
  return value & 0xffff
}

/** Leaves out what proto3 does not write, which the codec would: '', 0 and false. Not for members of a oneof. */
export function withoutZeros<T extends object>(message: T): Partial<T> {
  const written: Partial<T> = {}
  for (const key in message) {
    const value: unknown = message[key]
    if (value !== '' && value !== 0 && value !== false) written[key] = message[key]
  }
  return written
}

export function ipOf(bytes: Uint8Array): IpAddress {
  const ip = ipFromBytes(bytes)
  if (ip === undefined) throw invalid(`an address of ${bytes.length} bytes`)
  return ip
}

export function portMappings(ports: readonly PortMessage[]): PortMapping[] {
  return ports.map((one) => ({ servicePort: port(one.servicePort), targetPort: port(one.targetPort) }))
}

export function gatewayAddress(message: GatewayAddressMessage | null): GatewayAddress | undefined {
  return message === null ? undefined : requiredGatewayAddress(message)
}

export function requiredGatewayAddress(message: GatewayAddressMessage): GatewayAddress {
  return { destination: gatewayDestination(message), hboneMtlsPort: port(message.hboneMtlsPort) }
}

function gatewayDestination({ hostname, address }: GatewayAddressMessage): GatewayDestination {
  if (hostname) return { kind: 'hostname', namespace: hostname.namespace, hostname: hostname.hostname }
  if (address) return { kind: 'address', network: address.network, ip: ipOf(address.address) }
  throw invalid('a gateway address without a destination')
}

export function encodePorts(ports: readonly PortMapping[]): Partial<PortMessage>[] {
  return ports.map(withoutZeros)
}

export function encodeGatewayAddress(gateway: GatewayAddress | undefined): GatewayAddressMessage | null {
  if (gateway === undefined) return null
  const { destination, hboneMtlsPort } = gateway
  if (destination.kind === 'address')
    return { address: encodeNetworkAddress(destination.network, destination.ip), hboneMtlsPort }
  return { hostname: { namespace: destination.namespace, hostname: destination.hostname }, hboneMtlsPort }
}

export function encodeNetworkAddress(network: string, ip: IpAddress): NetworkAddressMessage {
  return { network, address: ipToBytes(ip) }
}
