import { flagOf } from './read-config.ts'
import type { ConfigSpec, PrefixSetting, Setting } from './setting.ts'

/** One line of a settings table. */
export interface SettingRow {
  readonly key: string
  /** Environment names in order of precedence; a prefix ends in `*`. */
  readonly env: readonly string[]
  /** Undefined when there is no flag. */
  readonly flag: string | undefined
  readonly kind: string
  readonly fallback: string
  readonly doc: string
}

/** The rows of a program's settings, in the order of its spec. */
export function settingRows<T extends object>(spec: ConfigSpec<T>): readonly SettingRow[] {
  const settings = Object.entries(spec.settings) as [string, Setting<unknown> | PrefixSetting][]
  return settings.map(([key, setting]) => {
    if ('prefix' in setting) {
      return { key, env: [`${setting.prefix}*`], flag: undefined, kind: 'text', fallback: 'none', doc: setting.doc }
    }
    const fallback = setting.fallback.kind === 'required' ? 'required' : setting.fallback.shown
    return { key, env: setting.env, flag: flagOf(key), kind: setting.kind.name, fallback, doc: setting.doc }
  })
}

/** The table as the program's README shows it; a test compares the two. */
export function settingsTable<T extends object>(spec: ConfigSpec<T>): string {
  const lines = settingRows(spec).map((row) => {
    const names = row.env.map((name) => `\`${name}\``).join(', ') || '–'
    const flag = row.flag === undefined ? '–' : `\`${row.flag}\``
    return `| ${names} | ${flag} | ${row.kind} | ${row.fallback} | ${row.doc} |`
  })
  return ['| environment | flag | kind | default | effect |', '| --- | --- | --- | --- | --- |', ...lines].join('\n')
}

/** The names that are read only to be refused, as the README shows them. */
export function refusedTable<T extends object>(spec: ConfigSpec<T>): string {
  const lines = (spec.refused ?? []).map((row) => {
    const harmless = row.harmless.map((value) => `\`${value}\``).join(', ') || '–'
    return `| \`${row.env}\` | ${harmless} | ${row.reason} |`
  })
  return ['| environment | taken | why anything else is refused |', '| --- | --- | --- |', ...lines].join('\n')
}
