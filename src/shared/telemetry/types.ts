/** One log line's facts: plain values, in the order they shall appear. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace'

/**
 * Program logs. Plain form: `<RFC3339 µs>Z\t<level>\t<scope>\t<message>\tkey=value …`; JSON with LOG_FORMAT=json
 * (hbone-and-ztunnel h.3).
 */
export interface Logger {
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  trace(message: string, fields?: LogFields): void
  isEnabled(level: LogLevel): boolean
  /** A logger of the same output with its own scope; `mod=level` filters name scopes. */
  child(scope: string): Logger
}

/** `response_flags` of hbone-and-ztunnel h.2. */
export type ConnectionFlag =
  | '-'
  | 'DENY'
  | 'NETWORK_POLICY'
  | 'IDENTITY_ERROR'
  | 'CERT_REVOKED'
  | 'H2_HANDSHAKE_FAILURE'
  | 'TLS_FAILURE'
  | 'CONNECT'

export type Reporter = 'source' | 'destination'
