import type { HashKey } from '#shared/l7'
import { hashOf } from './hash.ts'
import type { Asker } from './types.ts'

/** What a request is hashed by; without a hash any endpoint will do. */
export interface KeyOutcome {
  readonly hash: number | undefined
  /** A cookie that the client did not have. */
  readonly setCookie: string | undefined
}

const NO_KEY: KeyOutcome = { hash: undefined, setCookie: undefined }

/** @param random in [0, 1), for the value of a new cookie */
export function keyOf({ connection, request }: Asker, key: HashKey, random: () => number): KeyOutcome {
  if (key.kind === 'source-ip') return keyed(connection.source.ip)
  if (request === undefined) return NO_KEY
  switch (key.kind) {
    case 'header': {
      const values = request.fields.values(key.name.toLowerCase())
      return values.length === 0
        ? NO_KEY
        : keyed(values.length === 1 ? (values[0] ?? '') : [...values].sort().join('\n'))
    }
    case 'query': {
      const value = queryValue(request.target, key.name)
      return value === undefined ? NO_KEY : keyed(value)
    }
    case 'cookie': {
      for (const field of request.fields.values('cookie')) {
        const value = cookieValue(field, key.name)
        if (value !== undefined && value !== '') return keyed(value)
      }
      return key.lifeMs === undefined ? NO_KEY : fresh(key, key.lifeMs, random)
    }
  }
}

function keyed(value: string): KeyOutcome {
  return { hash: hashOf(value), setCookie: undefined }
}

/** A life of 0 is a cookie that goes with the browser's session. */
function fresh({ name, path }: Extract<HashKey, { kind: 'cookie' }>, lifeMs: number, random: () => number): KeyOutcome {
  const half = (): string =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')
  const value = half() + half()
  const life = lifeMs > 0 ? `; Max-Age=${Math.ceil(lifeMs / 1000)}` : ''
  const where = path === '' ? '' : `; Path=${path}`
  return { hash: hashOf(value), setCookie: `${name}=${value}${life}${where}; HttpOnly` }
}

/** The value of the first parameter of that name, as it is written. */
export function queryValue(target: string, name: string): string | undefined {
  const question = target.indexOf('?')
  if (question < 0) return undefined
  let at = question + 1
  while (at <= target.length) {
    const ampersand = target.indexOf('&', at)
    const end = ampersand < 0 ? target.length : ampersand
    if (target.startsWith(name, at)) {
      const behind = at + name.length
      if (behind === end) return ''
      if (behind < end && target.charCodeAt(behind) === EQUALS) return target.slice(behind + 1, end)
    }
    at = end + 1
  }
  return undefined
}

const EQUALS = 0x3d

/** Of one `cookie` field; quotes around the value are not part of it. */
export function cookieValue(field: string, name: string): string | undefined {
  for (const part of field.split(';')) {
    const equals = part.indexOf('=')
    if (equals < 0 || part.slice(0, equals).trim() !== name) continue
    const value = part.slice(equals + 1).trim()
    return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
  }
  return undefined
}
