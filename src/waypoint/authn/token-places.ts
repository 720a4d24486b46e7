import type { TokenLocation } from '#shared/l7'
import type { RequestHead } from '../codec/index.ts'

const NONE: readonly string[] = []

/** The tokens at one place; one that is empty is a token, too, and never valid. */
export function tokensAt(request: RequestHead, location: TokenLocation): readonly string[] {
  switch (location.kind) {
    case 'header': {
      const lines = request.fields.values(location.name)
      return lines.length === 0 ? NONE : lines.flatMap((line) => withoutPrefix(line, location.prefix) ?? [])
    }
    case 'query': {
      const mark = request.target.indexOf('?')
      if (mark === -1) return NONE
      const pairs = request.target.slice(mark + 1).split('&')
      return pairs.flatMap((pair) => (parameterName(pair) === location.name ? [parameterValue(pair)] : []))
    }
    case 'cookie': {
      const lines = request.fields.values('cookie')
      if (lines.length === 0) return NONE
      const pairs = lines.flatMap((line) => line.split(';'))
      return pairs.flatMap((pair) => (cookieName(pair) === location.name ? [cookieValue(pair)] : []))
    }
  }
}

/** Takes the tokens at one place away; what else is there stays. */
export function removeTokensAt(request: RequestHead, location: TokenLocation): void {
  const { fields } = request
  switch (location.kind) {
    case 'header': {
      const kept = fields.values(location.name).filter((line) => withoutPrefix(line, location.prefix) === undefined)
      replaceLines(request, location.name, kept)
      return
    }
    case 'query': {
      const mark = request.target.indexOf('?')
      if (mark === -1) return
      const pairs = request.target.slice(mark + 1).split('&')
      const kept = pairs.filter((pair) => parameterName(pair) !== location.name)
      if (kept.length === pairs.length) return
      const path = request.target.slice(0, mark)
      request.target = kept.length === 0 ? path : `${path}?${kept.join('&')}`
      return
    }
    case 'cookie': {
      const kept = fields.values('cookie').map((line) => withoutCookie(line, location.name))
      replaceLines(
        request,
        'cookie',
        kept.filter((line) => line !== ''),
      )
    }
  }
}

function replaceLines({ fields }: RequestHead, name: string, lines: readonly string[]): void {
  fields.remove(name)
  for (const line of lines) fields.add(name, line)
}

/** Words before a token are compared without case (RFC 9110 §11.1): endpoints do the same. */
function withoutPrefix(line: string, prefix: string): string | undefined {
  if (line.length < prefix.length) return undefined
  return line.slice(0, prefix.length).toLowerCase() === prefix.toLowerCase()
    ? line.slice(prefix.length).trim()
    : undefined
}

function parameterName(pair: string): string {
  const equals = pair.indexOf('=')
  return decoded(equals === -1 ? pair : pair.slice(0, equals))
}

function parameterValue(pair: string): string {
  const equals = pair.indexOf('=')
  return equals === -1 ? '' : decoded(pair.slice(equals + 1))
}

/** As forms are written; what is no escape stays. */
function decoded(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}

function cookieName(pair: string): string {
  const equals = pair.indexOf('=')
  return equals === -1 ? '' : pair.slice(0, equals).trim()
}

function cookieValue(pair: string): string {
  const value = pair.slice(pair.indexOf('=') + 1).trim()
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}

function withoutCookie(line: string, name: string): string {
  const pairs = line.split(';')
  const kept = pairs.filter((pair) => cookieName(pair) !== name)
  return kept.length === pairs.length ? line : kept.map((pair) => pair.trim()).join('; ')
}
