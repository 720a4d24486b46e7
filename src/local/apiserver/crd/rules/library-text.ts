import type { Environment } from '@marcbachmann/cel-js'
import { compileRegex } from '../structural/regex.ts'

/** What `matches` is called in a compiled rule: the evaluator's own one would run a user's pattern on V8's engine. */
export const SAFE_MATCHES = 'matchesInLinearTime'
/** Most matches that `findAll` returns. */
const MAX_MATCHES = 10_000

/** Regular expressions, and the functions of texts that the evaluator has not. */
export function registerText(env: Environment): void {
  env
    .registerFunction(`string.${SAFE_MATCHES}(string): bool`, (text: string, pattern: string) =>
      compileRegex(pattern).test(text),
    )
    .registerFunction('string.find(string): string', (text: string, pattern: string) => find(text, pattern, 1)[0] ?? '')
    .registerFunction('string.findAll(string): list<string>', (text: string, pattern: string) =>
      find(text, pattern, MAX_MATCHES),
    )
    .registerFunction('string.findAll(string, int): list<string>', (text: string, pattern: string, most: bigint) =>
      find(text, pattern, most < 0n ? MAX_MATCHES : Number(most)),
    )
    .registerFunction('string.charAt(int): string', (text: string, at: bigint) => {
      const signs = [...text]
      if (at < 0n || at > BigInt(signs.length)) throw new Error(`index out of range: ${at}`)
      return signs[Number(at)] ?? ''
    })
    .registerFunction('string.reverse(): string', (text: string) => [...text].reverse().join(''))
    .registerFunction('string.replace(string, string): string', (text: string, old: string, by: string) =>
      text.split(old).join(by),
    )
    .registerFunction(
      'string.replace(string, string, int): string',
      (text: string, old: string, by: string, most: bigint) => replaceSome(text, old, by, most),
    )
    .registerFunction('string.format(list): string', (text: string, values: readonly unknown[]) => format(text, values))
}

function find(text: string, pattern: string, most: number): string[] {
  const matcher = compileRegex(pattern).matcher(text)
  const found: string[] = []
  while (found.length < most && matcher.find()) found.push(matcher.group() ?? '')
  return found
}

function replaceSome(text: string, old: string, by: string, most: bigint): string {
  const parts = text.split(old)
  if (most < 0n || BigInt(parts.length - 1) <= most) return parts.join(by)
  const cut = Number(most) + 1
  return [parts.slice(0, cut).join(by), ...parts.slice(cut)].join(old)
}

/** `%s`, `%d`, `%f` (with `%.2f`), `%x`, `%%`. */
function format(text: string, values: readonly unknown[]): string {
  let next = 0
  return text.replace(/%(?:\.(\d{1,2}))?([sdfxX%])/g, (_, digits: string | undefined, verb: string) => {
    if (verb === '%') return '%'
    if (next >= values.length) throw new Error(`format: index ${next} out of range`)
    return formatted(values[next++], verb, digits)
  })
}

function formatted(value: unknown, verb: string, digits: string | undefined): string {
  if (verb === 'f') return Number(value).toFixed(digits === undefined ? 6 : Number(digits))
  if (verb === 'x' || verb === 'X') {
    const hex = typeof value === 'bigint' ? value.toString(16) : Buffer.from(String(value)).toString('hex')
    return verb === 'X' ? hex.toUpperCase() : hex
  }
  if (value instanceof Map) return `{${[...value].map(([k, v]) => `${plain(k)}: ${plain(v)}`).join(', ')}}`
  return Array.isArray(value) ? `[${value.map(plain).join(', ')}]` : plain(value)
}

function plain(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value)
}
