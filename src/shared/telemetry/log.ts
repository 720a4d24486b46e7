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

/** One line as it grows, without an object for each field; a field whose value is undefined is left out. */
export interface Line {
  /** A value that is quoted in the plain form. */
  text(key: string, value: string | undefined): void
  /** The same for a value of ours, of which it is known that nothing in it needs escaping. */
  plain(key: string, value: string): void
  /** One that stands without quotes there: an address, a number, a truth. */
  bare(key: string, value: string | number | boolean | undefined): void
  /** Fields that `Log.render` has made, behind at least one other. */
  add(rendered: string): void
  end(): void
}

/** A field whose value is quoted; left out when it is undefined. */
export type TextField = readonly [key: string, value: string | undefined]

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

  /** Begins a line without asking the filter; it is written when it is ended. */
  begin(level: LogLevel, scope: string, message: string): Line {
    const Form = this.#format === 'json' ? JsonLine : PlainLine
    return new Form(this.#output, this.#stamp.now(), level, scope, message)
  }

  /** Fields in this log's form, for lines that have them in common. */
  render(fields: readonly TextField[]): string {
    const render = this.#format === 'json' ? jsonField : plainField
    return fields.map(([key, value]) => (value === undefined ? '' : render(key, value))).join('')
  }
}

function plainField(key: string, value: string): string {
  return ` ${key}=${quote(value)}`
}

function jsonField(key: string, value: string): string {
  return `,${JSON.stringify(key)}:${JSON.stringify(value)}`
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
    if (!this.isEnabled(level)) return
    const line = this.#log.begin(level, this.#scope, message)
    for (const key in fields) {
      const value = fields[key]
      if (typeof value === 'string') line.text(key, value)
      else line.bare(key, value)
    }
    line.end()
  }
}

class PlainLine implements Line {
  readonly #output: LineOutput
  #text: string
  #separator = '\t'

  constructor(output: LineOutput, time: string, level: LogLevel, scope: string, message: string) {
    this.#output = output
    this.#text = `${time}\t${level}\t${scope}\t${oneLine(message)}`
  }

  text(key: string, value: string | undefined): void {
    if (value !== undefined) this.bare(key, quote(value))
  }

  plain(key: string, value: string): void {
    this.#text += `${this.#separator}${key}="${value}"`
    this.#separator = ' '
  }

  add(rendered: string): void {
    this.#text += rendered
  }

  bare(key: string, value: string | number | boolean | undefined): void {
    if (value === undefined) return
    this.#text += `${this.#separator}${key}=${value}`
    this.#separator = ' '
  }

  end(): void {
    this.#output.line(`${this.#text}\n`)
  }
}

class JsonLine implements Line {
  readonly #output: LineOutput
  #text: string

  constructor(output: LineOutput, time: string, level: LogLevel, scope: string, message: string) {
    this.#output = output
    this.#text = `{"level":"${level}","time":"${time}","scope":${JSON.stringify(scope)},"message":${JSON.stringify(message)}`
  }

  text(key: string, value: string | undefined): void {
    this.bare(key, value)
  }

  plain(key: string, value: string): void {
    this.#text += `,"${key}":"${value}"`
  }

  add(rendered: string): void {
    this.#text += rendered
  }

  bare(key: string, value: string | number | boolean | undefined): void {
    if (value !== undefined) this.#text += `,${JSON.stringify(key)}:${JSON.stringify(value)}`
  }

  end(): void {
    this.#output.line(`${this.#text}}\n`)
  }
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
