/** What stands in a secret's place. */
export const REDACTED = '[redacted]'

const KEY_BEGIN_TO_END = /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,32}PRIVATE KEY-----|$)/g
const KEY_END = /-----END [A-Z ]{0,32}PRIVATE KEY-----/g
/** Three parts in base64url, the first two of them JSON: `{"` is `eyJ`. The signature may be missing. */
const TOKEN = /\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?/g
const CREDENTIAL = /\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}/gi
const USER_OF_URL = /(:\/\/[^\s/:@"']{1,128}):[^\s/@"']{1,256}@/g
/** base64 of `-----BEGIN `; a certificate may be shown. */
const BASE64_PEM = /LS0tLS1CRUdJTi[A-Za-z0-9+/]+={0,2}/g
const WORDS =
  '(?:passw(?:or)?d|secret|token|(?:api|access|private)[-_]?key|client-key-data|credential|authorization|cookie)s?'
/**
 * `password: x`, `"apiKey": "x"`, `DB_PASSWORD=x`, also where JSON stands inside of JSON (`\"token\":\"x\"`). What stands
 * before the word does not matter, and everything else is bounded, or long lines would take for ever.
 */
const NAMED = new RegExp(
  [
    String.raw`(${WORDS}\\{0,8}["']?\s{0,8}[:=]\s{0,8})`,
    String.raw`("(?:[^"\\\n]|\\.)*"|\\{1,8}"[^"\\\n]*\\{0,8}"?|'[^'\n]*'|[^\s,;"'}\]]+)`,
  ].join(''),
  'gi',
)
const FLAG = new RegExp(`(?<![\\w-])(--[a-z-]{0,64}${WORDS}\\s{1,8})([^\\s"']+)`, 'gi')
const SECRET_NAME = new RegExp(`${WORDS}$`, 'i')

/** Whether a variable or a field of this name holds a secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name)
}

/**
 * A text without private keys, tokens, credentials, and values whose name says that they are secret. What it takes for one
 * and is none is lost, too: better than the other way round. Takes time in proportion to the text, whatever it is.
 */
export function redactText(text: string): string {
  const named = (found: string, name: string, value: string): string =>
    isHarmless(value) ? found : `${name}${quotedLike(value)}`
  return withoutKeyRests(text.replace(KEY_BEGIN_TO_END, `${REDACTED} private key`))
    .replace(BASE64_PEM, (found) => (holdsKey(found) ? REDACTED : found))
    .replace(TOKEN, `${REDACTED} token`)
    .replace(CREDENTIAL, (_found, scheme: string) => `${scheme} ${REDACTED}`)
    .replace(USER_OF_URL, (_found, user: string) => `${user}:${REDACTED}@`)
    .replace(NAMED, named)
    .replace(FLAG, named)
}

/** Keys whose beginning was cut off: everything before their end that could be of them. */
function withoutKeyRests(text: string): string {
  const parts: string[] = []
  let from = 0
  for (const { 0: end, index } of text.matchAll(KEY_END)) {
    let start = index
    // Line ends inside of JSON are a backslash and a letter.
    while (start > from && /[A-Za-z0-9+/=\s\\]/.test(text[start - 1] ?? '')) start--
    parts.push(text.slice(from, start), `${REDACTED} private key`)
    from = index + end.length
  }
  return [...parts, text.slice(from)].join('')
}

function holdsKey(base64: string): boolean {
  return Buffer.from(base64, 'base64').toString('latin1').includes('PRIVATE KEY')
}

/** The name of a file, a switch, nothing, or what begins something larger. */
function isHarmless(value: string): boolean {
  if (/^[[{]/.test(value)) return true
  const bare = value.replace(/^\\*["']|\\*["']$/g, '')
  return isFileName(bare) || /^(?:|true|false|null|undefined)$/i.test(bare)
}

/** base64 may begin with a slash, too, but hardly goes on like this. */
export function isFileName(value: string): boolean {
  return /^\.{0,2}(?:\/[a-z][a-z0-9_.-]*){2,16}$/.test(value)
}

function quotedLike(value: string): string {
  const quote = /^\\*["']/.exec(value)?.[0] ?? ''
  return `${quote}${REDACTED}${quote}`
}
