import { isIP, isIPv4, isIPv6 } from 'node:net'

const MAX_DNS_NAME = 253
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/
const DATE = /^\d{4}-\d{2}-\d{2}$/
const HOST_LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/i
const MAC = /^(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const EMAIL = /^[^\s@]{1,64}@[^\s@]{1,255}$/
const DURATION_PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y
const INT32 = 2 ** 31

/** Checks of texts that have a `format`; an unknown format means nothing, as in Kubernetes. */
const textFormats: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['date-time', (text) => DATE_TIME.test(text) && !Number.isNaN(Date.parse(text))],
  ['date', (text) => DATE.test(text) && !Number.isNaN(Date.parse(text))],
  ['duration', isDuration],
  ['hostname', isHostname],
  ['ipv4', (text) => isIPv4(text)],
  ['ipv6', (text) => isIPv6(text)],
  ['cidr', isCidr],
  ['mac', (text) => MAC.test(text)],
  ['uri', (text) => URL.canParse(text)],
  ['email', (text) => EMAIL.test(text)],
  ['uuid', (text) => UUID.test(text)],
  ['byte', (text) => BASE64.test(text)],
])

/** Whether a text is of the format. */
export function isOfFormat(text: string, format: string): boolean {
  return textFormats.get(format)?.(text) ?? true
}

/** Whether a whole number fits into the format. JSON numbers above 2^53 have lost digits, so int64 is not narrowed. */
export function fitsFormat(value: number, format: string): boolean {
  return format !== 'int32' || (value >= -INT32 && value < INT32)
}

/** Go's form: `1h30m`, `1.5s`, `300ms`, `0`. */
export function isDuration(text: string): boolean {
  const body = text.replace(/^[+-]/, '')
  if (body === '0') return true
  DURATION_PART.lastIndex = 0
  let end = 0
  while (end < body.length && DURATION_PART.test(body)) end = DURATION_PART.lastIndex
  return body.length > 0 && body.length <= 64 && end === body.length
}

function isHostname(text: string): boolean {
  const name = text.replace(/\.$/, '')
  return name.length <= MAX_DNS_NAME && name.split('.').every((label) => HOST_LABEL.test(label))
}

export function isCidr(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/')
  const family = address.includes('%') ? 0 : isIP(address)
  if (family === 0 || rest.length > 0 || !/^\d{1,3}$/.test(bits)) return false
  return Number(bits) <= (family === 4 ? 32 : 128)
}
