import { MeshError } from '#shared/errors'
import type { ConfigSpec, PrefixSetting, Setting } from './setting.ts'

/** One thing that is wrong with the settings. */
export interface ConfigProblem {
  /** The environment name or the flag, as given. */
  readonly name: string
  /** What was given; undefined when it is missing. Cut to 64 characters; secrets are given as files, not as values. */
  readonly value: string | undefined
  readonly reason: string
}

/** All problems at once, so that they are mended in one go. */
export class ConfigError extends MeshError {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    super('CONFIG_INVALID', `settings cannot be used:\n${problems.map(lineOf).join('\n')}`)
    this.problems = problems
  }
}

const MAX_SHOWN_CHARACTERS = 64

/**
 * Reads flags, then environment, then defaults into one frozen record.
 *
 * Flags are `--name value` or `--name=value`, the name as `flagOf` makes it; a boolean flag alone means true.
 *
 * @param argv the arguments after the program's name
 * @throws ConfigError with every problem: unreadable values, missing required ones, unknown flags, refused names
 */
export function readConfig<T extends object>(
  spec: ConfigSpec<T>,
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[] = [],
): Readonly<T> {
  const problems: ConfigProblem[] = []
  const settings = Object.entries(spec.settings) as [string, Setting<unknown> | PrefixSetting][]
  const flags = readFlags(settings, argv, problems)
  const record: Record<string, unknown> = {}

  for (const [key, setting] of settings) {
    if ('prefix' in setting) {
      record[key] = collectPrefix(setting.prefix, env)
      continue
    }
    const given = flags.get(key) ?? firstOf(setting.env, env)
    if (given !== undefined) {
      const reading = setting.kind.read(given.value)
      if (reading.kind === 'problem') problems.push({ ...given, value: cut(given.value), reason: reading.reason })
      else record[key] = reading.value
    } else if (setting.fallback.kind === 'default') {
      record[key] = setting.fallback.value
    } else {
      problems.push({ name: setting.env[0] ?? flagOf(key), value: undefined, reason: 'must be set' })
    }
  }
  for (const refused of spec.refused ?? []) {
    const value = env[refused.env]
    if (value === undefined || value === '' || refused.harmless.includes(value)) continue
    problems.push({ name: refused.env, value: cut(value), reason: refused.reason })
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return Object.freeze(record as T)
}

/** `xdsAddress` → `--xds-address`; what a value is in the program does not show: `isFast`, `waitMs` → `--fast`, `--wait`. */
export function flagOf(key: string): string {
  const name = key.replace(/^is(?=[A-Z])/, '').replace(/Ms$/, '')
  return `--${name.replace(/[A-Z]/g, (letter, at: number) => `${at === 0 ? '' : '-'}${letter.toLowerCase()}`)}`
}

interface Given {
  readonly name: string
  readonly value: string
}

function readFlags(
  settings: readonly (readonly [string, Setting<unknown> | PrefixSetting])[],
  argv: readonly string[],
  problems: ConfigProblem[],
): Map<string, Given> {
  const byFlag = new Map(
    settings.flatMap(([key, setting]) => ('prefix' in setting ? [] : [[flagOf(key), { key, setting }]])),
  )
  const flags = new Map<string, Given>()
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? ''
    const [name = '', ...rest] = argument.split('=')
    const known = byFlag.get(name)
    if (known === undefined) {
      problems.push({ name: cut(argument), value: undefined, reason: 'is no flag of this program' })
      continue
    }
    if (rest.length > 0) flags.set(known.key, { name, value: rest.join('=') })
    else if (known.setting.kind.name === 'boolean') flags.set(known.key, { name, value: 'true' })
    else if (i + 1 < argv.length) flags.set(known.key, { name, value: argv[++i] ?? '' })
    else problems.push({ name, value: undefined, reason: 'needs a value' })
  }
  return flags
}

function firstOf(names: readonly string[], env: Readonly<Record<string, string | undefined>>): Given | undefined {
  for (const name of names) {
    const value = env[name]
    if (value !== undefined) return { name, value }
  }
  return undefined
}

function collectPrefix(prefix: string, env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith(prefix) && name.length > prefix.length && value !== undefined)
      found[name.slice(prefix.length)] = value
  }
  return found
}

function cut(value: string): string {
  return value.length > MAX_SHOWN_CHARACTERS ? `${value.slice(0, MAX_SHOWN_CHARACTERS)}…` : value
}

function lineOf(problem: ConfigProblem): string {
  const shown = problem.value === undefined ? '' : `=${JSON.stringify(problem.value)}`
  return `  ${problem.name}${shown} ${problem.reason}`
}
