import { type ConfigSpec, readConfig, setting, text } from '#shared/config'

/** What `ambit` takes from its user's environment; everything else is a flag. */
export interface CliConfig {
  readonly path: string
  readonly logFilter: string
}

export const cliSettings: ConfigSpec<CliConfig> = {
  settings: {
    path: setting(text, 'PATH', '', 'Where the supervisor, and pods, find their commands.'),
    logFilter: setting(text, 'RUST_LOG', 'info', "Levels of the supervisor's log."),
  },
}

export function readCliConfig(env: Readonly<Record<string, string | undefined>>): CliConfig {
  return readConfig(cliSettings, env)
}
