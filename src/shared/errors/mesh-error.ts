import { codes, type ErrorCode, type ErrorSpec } from './codes.ts'

/** An expected failure with a code from the one table; anything else that is thrown is a bug. */
export class MeshError extends Error {
  override readonly name: string = 'MeshError'
  readonly code: ErrorCode

  /**
   * @param code a row of `codes`
   * @param message for people; peer text in it is cut and quoted by the caller
   * @param options `cause` keeps the original error
   */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  get spec(): ErrorSpec {
    return codes[this.code]
  }
}

/** The message of anything thrown, for one log line. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
