/**
 * A domain name as its labels, from the most special on; the root has none. Labels hold one character for each byte
 * (latin1) and keep the case they came with, as resolvers hide random bits in it (0x20).
 */
export type DomainName = readonly string[]

/** RFC 1035 §2.3.4. */
export const MAX_LABEL_BYTES = 63
/** With the length of each label and the root's. */
export const MAX_NAME_BYTES = 255

export const ROOT: DomainName = []

/**
 * Reads `web.shop.svc.cluster.local`, with or without the last dot; `\.` and `\046` stand for bytes that have a meaning
 * (RFC 1035 §5.1). Undefined for an empty label, one over 63 bytes, a name over 255, and for what is no latin1.
 */
export function parseName(text: string): DomainName | undefined {
  if (text === '.') return ROOT
  const labels: string[] = []
  let label = ''
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? ''
    if (character === '.') {
      if (label === '') return undefined
      labels.push(label)
      label = ''
      continue
    }
    if (character !== '\\') {
      label += character
      continue
    }
    const digits = /^[0-9]{3}/.exec(text.slice(at + 1))?.[0]
    if (digits !== undefined && Number(digits) > 255) return undefined
    const escaped = digits === undefined ? text[at + 1] : String.fromCharCode(Number(digits))
    if (escaped === undefined) return undefined
    label += escaped
    at += digits === undefined ? 1 : 3
  }
  const all = label === '' ? labels : [...labels, label]
  return all.length > 0 && isName(all) ? all : undefined
}

/** With the last dot: `web.shop.svc.cluster.local.`; what `parseName` reads. */
export function formatName(name: DomainName): string {
  return name.length === 0 ? '.' : name.map((label) => `${escaped(label)}.`).join('')
}

/** Equal for names that are the same to DNS, which does not look at the case of ASCII letters. */
export function nameKey(name: DomainName): string {
  return lowerCase(formatName(name))
}

/** ASCII letters only, unlike `toLowerCase`. */
export function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** Whether it is `zone` or below it. */
export function isWithin(name: DomainName, zone: DomainName): boolean {
  return name.length >= zone.length && nameKey(name.slice(name.length - zone.length)) === nameKey(zone)
}

/** On the wire, uncompressed. */
export function nameBytes(name: DomainName): number {
  return name.reduce((sum, label) => sum + 1 + label.length, 1)
}

export function isName(name: DomainName): boolean {
  return nameBytes(name) <= MAX_NAME_BYTES && name.every(isLabel)
}

function isLabel(label: string): boolean {
  if (label.length === 0 || label.length > MAX_LABEL_BYTES) return false
  for (let at = 0; at < label.length; at++) if (label.charCodeAt(at) > 0xff) return false
  return true
}

function escaped(label: string): string {
  if (/^[A-Za-z0-9_-]+$/.test(label)) return label
  return label.replace(/[^A-Za-z0-9_-]/g, (character) => {
    const code = character.charCodeAt(0)
    const isShown = code > 0x20 && code < 0x7f
    return isShown ? `\\${character}` : `\\${String(code).padStart(3, '0')}`
  })
}
