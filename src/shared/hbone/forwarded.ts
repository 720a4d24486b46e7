import { formatSocketAddress, parseSocketAddress, type SocketAddress } from '#shared/net'

/** What the `forwarded` header of a CONNECT tells (RFC 7239, in the form of hbone-and-ztunnel d.3). */
export interface Forwarded {
  /** The application's own address and port; undefined when absent or no address. */
  readonly source: SocketAddress | undefined
  /** The service that it asked for, by host name. */
  readonly host: string | undefined
}

const MAX_CHARS = 512

/** What stands unquoted in a part. */
const PLAIN_HOST = /^[a-z0-9*._-]+$/i

/** `for="<ip:port>"`, and `;host=<name>` when the service is known and its name needs no quotes. */
export function formatForwarded(source: SocketAddress, serviceHostname: string | undefined): string {
  const isTold = serviceHostname !== undefined && PLAIN_HOST.test(serviceHostname)
  return `for="${formatSocketAddress(source)}"${isTold ? `;host=${serviceHostname}` : ''}`
}

/** Reads a peer's value; the first part of each kind counts, and what cannot be read is absent. */
export function parseForwarded(value: string | undefined): Forwarded {
  const parts = partsOf(value)
  const source = parts.find((part) => part.startsWith('for='))
  return {
    source: source === undefined ? undefined : parseSocketAddress(unquoted(source.slice('for='.length))),
    host: hostAmong(parts),
  }
}

/** Only the host of `parseForwarded`, where nobody asks for the source. */
export function forwardedHost(value: string | undefined): string | undefined {
  return hostAmong(partsOf(value))
}

function partsOf(value: string | undefined): readonly string[] {
  if (value === undefined || value.length > MAX_CHARS || !/^[\x20-\x7e]*$/.test(value)) return []
  return value.split(';').map((part) => part.trim())
}

function hostAmong(parts: readonly string[]): string | undefined {
  const host = parts.find((part) => part.startsWith('host='))
  return (host === undefined ? '' : unquoted(host.slice('host='.length))) || undefined
}

function unquoted(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
}
