import { streamError } from './h2-error.ts'
import { H2ErrorCode, type HeaderField, type HeaderList } from './types.ts'

/** RFC 9110 §5.6.2 token, without upper case (RFC 9113 §8.2.1). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** NUL, CR and LF anywhere; a space or a tab at either end (RFC 9113 §8.2.1). */
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/
const STATUS = /^[1-9][0-9]{2}$/
const CONTENT_LENGTH = /^[0-9]{1,15}$/

/** They describe one HTTP/1.1 connection (RFC 9113 §8.2.2). */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
])

const REQUEST_PSEUDO: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path', ':protocol'])
const RESPONSE_PSEUDO: ReadonlySet<string> = new Set([':status'])
const NO_PSEUDO: ReadonlySet<string> = new Set()

/** What the engine itself has to know of a request. */
export interface RequestFacts {
  readonly isConnect: boolean
  readonly isHead: boolean
  /** Undefined when not given. */
  readonly contentLength: number | undefined
}

export interface ResponseFacts {
  readonly status: number
  readonly contentLength: number | undefined
}

/**
 * Checks a request's header section (RFC 9113 §8.2, §8.3.1, §8.5; RFC 8441 for extended CONNECT).
 *
 * @throws H2Error of the stream, PROTOCOL_ERROR, when it is malformed
 */
export function checkRequest(headers: HeaderList, isExtendedConnectEnabled: boolean): RequestFacts {
  const pseudo = checkFields(headers, REQUEST_PSEUDO)
  const method = pseudo.get(':method')
  const authority = pseudo.get(':authority')
  const path = pseudo.get(':path')
  const scheme = pseudo.get(':scheme')
  const protocol = pseudo.get(':protocol')
  if (method === undefined || !METHOD.test(method)) throw malformed('no or bad :method')

  if (protocol !== undefined && (!isExtendedConnectEnabled || method !== 'CONNECT')) throw malformed('extended CONNECT')
  if (method === 'CONNECT' && protocol === undefined) {
    if (authority === undefined || authority === '') throw malformed('CONNECT without :authority')
    if (scheme !== undefined || path !== undefined) throw malformed('CONNECT with :scheme or :path')
    return { isConnect: true, isHead: false, contentLength: undefined }
  }

  if (scheme === undefined || !SCHEME.test(scheme)) throw malformed('no or bad :scheme')
  if (path === undefined || !isPath(path, method, scheme)) throw malformed('no or bad :path')
  if (authority?.includes('@') && isHttp(scheme)) throw malformed('userinfo in :authority')
  const host = fieldOf(headers, 'host')
  if (host !== undefined && authority !== undefined && host.toLowerCase() !== authority.toLowerCase())
    throw malformed('host differs from :authority')
  return { isConnect: protocol !== undefined, isHead: method === 'HEAD', contentLength: contentLengthOf(headers) }
}

/** @throws H2Error of the stream, PROTOCOL_ERROR, when the response's header section is malformed (§8.3.2) */
export function checkResponse(headers: HeaderList): ResponseFacts {
  const status = checkFields(headers, RESPONSE_PSEUDO).get(':status')
  // 101 has no meaning in HTTP/2 (RFC 9113 §8.6).
  if (status === undefined || !STATUS.test(status) || status === '101') throw malformed('no or bad :status')
  return { status: Number(status), contentLength: contentLengthOf(headers) }
}

/** @throws H2Error of the stream, PROTOCOL_ERROR, when trailers are malformed, pseudo-headers included (§8.1) */
export function checkTrailers(headers: HeaderList): void {
  checkFields(headers, NO_PSEUDO)
}

/** Checks every field and returns the pseudo-headers. */
function checkFields(headers: HeaderList, allowedPseudo: ReadonlySet<string>): Map<string, string> {
  const pseudo = new Map<string, string>()
  let sawRegular = false
  for (const field of headers) {
    const [name, value] = field
    if (BAD_VALUE.test(value)) throw malformed(`bad value of ${quote(name)}`)
    if (!name.startsWith(':')) {
      sawRegular = true
      checkRegular(field)
      continue
    }
    if (!allowedPseudo.has(name)) throw malformed(`unknown pseudo-header ${quote(name)}`)
    if (sawRegular) throw malformed(`${quote(name)} behind a regular field`)
    if (pseudo.has(name)) throw malformed(`${quote(name)} twice`)
    pseudo.set(name, value)
  }
  return pseudo
}

function checkRegular([name, value]: HeaderField): void {
  if (!NAME.test(name)) throw malformed(`bad field name ${quote(name)}`)
  if (CONNECTION_SPECIFIC.has(name)) throw malformed(`connection-specific field ${quote(name)}`)
  if (name === 'te' && value.toLowerCase() !== 'trailers') throw malformed('te other than trailers')
}

/** RFC 9113 §8.3.1: not empty for http and https, and `*` only for OPTIONS. */
function isPath(path: string, method: string, scheme: string): boolean {
  if (!isHttp(scheme)) return path !== ''
  return path.startsWith('/') || (path === '*' && method === 'OPTIONS')
}

function isHttp(scheme: string): boolean {
  return scheme === 'http' || scheme === 'https'
}

/** Several equal values count as one; anything else that is not one number is malformed (RFC 9110 §8.6). */
function contentLengthOf(headers: HeaderList): number | undefined {
  let length: number | undefined
  for (const [name, value] of headers) {
    if (name !== 'content-length') continue
    if (!CONTENT_LENGTH.test(value)) throw malformed('bad content-length')
    if (length !== undefined && length !== Number(value)) throw malformed('two content-lengths')
    length = Number(value)
  }
  return length
}

function fieldOf(headers: HeaderList, wanted: string): string | undefined {
  for (const [name, value] of headers) if (name === wanted) return value
  return undefined
}

function malformed(what: string): Error {
  return streamError(H2ErrorCode.PROTOCOL_ERROR, `malformed header section: ${what}`)
}

/** Peer text for a message: cut, quoted. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, 64))
}
