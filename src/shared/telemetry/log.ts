import type { Clock } from '#shared/clock'
import type { LineOutput } from './line-writer.ts'
import { LogFilter, levelNumber } from './log-filter.ts'
import { TimeStamp } from './time-stamp.ts'
import type { LogFields, Logger, LogLevel } from './types.ts'

export type LogFormat = 'plain' | 'json'

export interface LogSettings {
  readonly format: LogFormat
  /** RUST_LOG's form: `info,access=debug`. */
  readonly filter: string
  readonly clock: Clock
  readonly output: LineOutput
}

/** A field whose plain form stands without quotes: an address or a number. */
export interface BareValue {
  readonly bare: string
}

/** Key and value in the order in which they are printed; absent ones are left out. */
export type LineField = readonly [key: string, value: string | number | boolean | BareValue | undefined]

/**
 * The log of a program: one filter, one form, one output. Lines look like Istio ztunnel's (hbone-and-ztunnel h.3):
 * `<RFC 3339 µs>Z\t<level>\t<scope>\t<message>\tkey=value key=value`, or one JSON object each.
 */
export class Log {
  readonly filter: LogFilter
  readonly #format: LogFormat
  readonly #stamp: TimeStamp
  readonly #output: LineOutput

  /** @throws MeshError `CONFIG_INVALID` when the filter cannot be read */
  constructor(settings: LogSettings) {
    this.filter = new LogFilter(settings.filter)
    this.#format = settings.format
    this.#stamp = new TimeStamp(settings.clock)
    this.#output = settings.output
  }

  logger(scope: string): Logger {
    return new ScopedLogger(this, scope)
  }

  /** Writes one line without asking the filter. */
  write(level: LogLevel, scope: string, message: string, fields: readonly LineField[]): void {
    const form = this.#format === 'json' ? jsonLine : plainLine
    this.#output.line(form(this.#stamp.now(), level, scope, message, fields))
  }
}

class ScopedLogger implements Logger {
  readonly #log: Log
  readonly #scope: string
  #threshold: number

  constructor(log: Log, scope: string) {
    this.#log = log
    this.#scope = scope
    this.#threshold = log.filter.threshold(scope)
    log.filter.onChanged(() => {
      this.#threshold = log.filter.threshold(scope)
    })
  }

  error(message: string, fields?: LogFields): void {
    this.#write('error', message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('warn', message, fields)
  }

  info(message: string, fields?: LogFields): void {
    this.#write('info', message, fields)
  }

  debug(message: string, fields?: LogFields): void {
    this.#write('debug', message, fields)
  }

  trace(message: string, fields?: LogFields): void {
    this.#write('trace', message, fields)
  }

  isEnabled(level: LogLevel): boolean {
    return levelNumber(level) <= this.#threshold
  }

  child(scope: string): Logger {
    return this.#log.logger(scope)
  }

  #write(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (this.isEnabled(level))
      this.#log.write(level, this.#scope, message, fields === undefined ? [] : Object.entries(fields))
  }
}

function plainLine(
  time: string,
  level: LogLevel,
  scope: string,
  message: string,
  fields: readonly LineField[],
): string {
  let tail = ''
  for (const [key, value] of fields) {
    if (value === undefined) continue
    tail += `${tail === '' ? '\t' : ' '}${key}=${plainValue(value)}`
  }
  return `${time}\t${level}\t${scope}\t${oneLine(message)}${tail}\n`
}

function plainValue(value: string | number | boolean | BareValue): string {
  if (typeof value === 'string') return quote(value)
  return typeof value === 'object' ? value.bare : String(value)
}

function jsonLine(time: string, level: LogLevel, scope: string, message: string, fields: readonly LineField[]): string {
  let tail = ''
  for (const [key, value] of fields) {
    if (value === undefined) continue
    tail += `,${JSON.stringify(key)}:${JSON.stringify(typeof value === 'object' ? value.bare : value)}`
  }
  const head = `{"level":"${level}","time":"${time}","scope":${JSON.stringify(scope)},"message":${JSON.stringify(message)}`
  return `${head}${tail}}\n`
}

/** Most values are plain words; only the others pay for escaping. */
const NEEDS_ESCAPING = /["\\\p{Cc}\u2028\u2029]/u
const CONTROL = /[\p{Cc}\u2028\u2029]/gu

function quote(value: string): string {
  return NEEDS_ESCAPING.test(value) ? JSON.stringify(value).replace(CONTROL, escapeCode) : `"${value}"`
}

/** A message never breaks its line, nor its columns. */
function oneLine(message: string): string {
  return NEEDS_ESCAPING.test(message) ? message.replace(CONTROL, escapeCode) : message
}

function escapeCode(character: string): string {
  return `\\u{${character.charCodeAt(0).toString(16)}}`
}
