import type { MeshError } from '#shared/errors'

/** What a tunnel's server answers besides 200 (hbone-and-ztunnel d.4); 404 is a waypoint's, for what it does not serve. */
export type RefusalStatus = 400 | 401 | 404 | 503

/** How an error is told to the peer of a tunnel: its own mistake, its lack of rights, or anything else. */
export function refusalStatus(error: MeshError): RefusalStatus {
  const { status } = error.spec
  return status === 400 || status === 401 ? status : 503
}

/** Reason phrases of what tunnels are answered with, for log lines (RFC 9110 §15). */
const PHRASES: ReadonlyMap<string, string> = new Map([
  ['400', 'Bad Request'],
  ['401', 'Unauthorized'],
  ['403', 'Forbidden'],
  ['404', 'Not Found'],
  ['405', 'Method Not Allowed'],
  ['407', 'Proxy Authentication Required'],
  ['408', 'Request Timeout'],
  ['421', 'Misdirected Request'],
  ['429', 'Too Many Requests'],
  ['431', 'Request Header Fields Too Large'],
  ['500', 'Internal Server Error'],
  ['501', 'Not Implemented'],
  ['502', 'Bad Gateway'],
  ['503', 'Service Unavailable'],
  ['504', 'Gateway Timeout'],
])

/** `http status: 401 Unauthorized`, as ztunnel logs it. */
export function describeRefusal(status: string): string {
  const phrase = PHRASES.get(status)
  return `http status: ${phrase === undefined ? status : `${status} ${phrase}`}`
}
