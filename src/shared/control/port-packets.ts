/**
 * What the supervisor and the port opener say to each other, one packet each way: the supervisor has a network of its
 * own and cannot listen on the machine's loopback, so a process outside opens ports there and hands them over.
 */

/** Open this port of 127.0.0.1. */
export interface OpenPort {
  readonly port: number
}

/** `opened` comes with the descriptor of a listening socket. */
export type PortAnswer =
  | { readonly kind: 'opened' }
  /** @param errno e.g. EADDRINUSE, EACCES */
  | { readonly kind: 'refused'; readonly errno: string }

/** Longer than every packet. */
export const PORT_PACKET_BYTES = 256
/** In the state folder. */
export const PORT_SOCKET = 'ports.sock'

const MAX_PORT = 65_535

export function encodePortPacket(packet: OpenPort | PortAnswer): Uint8Array {
  return Buffer.from(JSON.stringify(packet))
}

/** Undefined for what is no such packet. */
export function readOpenPort(bytes: Uint8Array): OpenPort | undefined {
  const { port } = parsed(bytes)
  return Number.isInteger(port) && Number(port) > 0 && Number(port) <= MAX_PORT ? { port: Number(port) } : undefined
}

export function readPortAnswer(bytes: Uint8Array): PortAnswer | undefined {
  const { kind, errno } = parsed(bytes)
  if (kind === 'opened') return { kind }
  return kind === 'refused' && typeof errno === 'string' ? { kind, errno } : undefined
}

function parsed(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
