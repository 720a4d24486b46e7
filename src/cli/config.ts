import { type ConfigSpec, readConfig, setting, text } from '#shared/config'

/** What `ambit` takes from its user's environment; everything else is a flag. */
export interface CliConfig {
  readonly path: string
  readonly logFilter: string
  readonly kubeconfig: string
  readonly home: string
  readonly clusterHost: string
  readonly clusterPort: string
}

export const cliSettings: ConfigSpec<CliConfig> = {
  settings: {
    path: setting(text, 'PATH', '', 'Where the supervisor, and pods, find their commands.'),
    logFilter: setting(text, 'RUST_LOG', 'info', "Levels of the supervisor's log."),
    kubeconfig: setting(text, 'KUBECONFIG', '', 'Kubeconfigs, merged as kubectl does, when no mesh is up here.'),
    home: setting(text, 'HOME', '', 'Where `.kube/config` is looked for.'),
    clusterHost: setting(text, 'KUBERNETES_SERVICE_HOST', '', 'API server of the cluster that this runs in.'),
    clusterPort: setting(text, 'KUBERNETES_SERVICE_PORT', '', 'Its port.'),
  },
}

export function readCliConfig(env: Readonly<Record<string, string | undefined>>): CliConfig {
  return readConfig(cliSettings, env)
}
