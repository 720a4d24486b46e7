/** What reading one text gives: a value, or why it cannot be one. */
export type Reading<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'problem'; readonly reason: string }

/** How a text becomes a value; `name` is what the settings table shows. */
export interface Kind<T> {
  readonly name: string
  read(text: string): Reading<T>
}

/** One key of a program's configuration, read from the first of its environment names that is set. */
export interface Setting<T> {
  readonly kind: Kind<T>
  /** In order of precedence. The flag that `flagOf` makes of the key beats them all. */
  readonly env: readonly string[]
  /** The value when nothing is set; `required` refuses to start. */
  readonly fallback:
    | { readonly kind: 'default'; readonly value: T; readonly shown: string }
    | { readonly kind: 'required' }
  /** One sentence for the settings table. */
  readonly doc: string
}

/** A key that collects every environment name with a prefix, e.g. `XDS_HEADER_*`. */
export interface PrefixSetting {
  readonly prefix: string
  readonly doc: string
}

/** An environment name of Istio's that this program reads only to refuse it, so that nothing is silently ignored. */
export interface RefusedSetting {
  readonly env: string
  /** Values that ask for what happens anyway. */
  readonly harmless: readonly string[]
  readonly reason: string
}

/** Every key of the record `T` with its setting. */
export interface ConfigSpec<T> {
  readonly settings: {
    readonly [K in keyof T]: Setting<T[K]> | (T[K] extends Readonly<Record<string, string>> ? PrefixSetting : never)
  }
  readonly refused?: readonly RefusedSetting[]
}

/** A setting with a default. `shown` is the default as the table prints it. */
export function setting<T>(
  kind: Kind<T>,
  env: string | readonly string[],
  value: T,
  doc: string,
  shown: string = showDefault(value),
): Setting<T> {
  return { kind, env: namesOf(env), fallback: { kind: 'default', value, shown }, doc }
}

/** A setting that must be given. */
export function required<T>(kind: Kind<T>, env: string | readonly string[], doc: string): Setting<T> {
  return { kind, env: namesOf(env), fallback: { kind: 'required' }, doc }
}

function namesOf(env: string | readonly string[]): readonly string[] {
  return typeof env === 'string' ? [env] : env
}

function showDefault(value: unknown): string {
  if (value === undefined) return 'unset'
  return value === '' ? 'empty' : String(value)
}
