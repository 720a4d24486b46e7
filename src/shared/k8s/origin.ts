import { type ConfigProblem, type ConfigSpec, integer, optional, optionalText, setting } from '#shared/config'

/** Where a program's objects come from. */
export type ObjectOrigin =
  | { readonly kind: 'folder'; readonly dir: string }
  | { readonly kind: 'kubeconfig'; readonly files: readonly string[] }
  | { readonly kind: 'in-cluster'; readonly host: string; readonly port: number }

/** Settings that decide it. */
export interface OriginSettings {
  readonly kubeDir: string | undefined
  readonly kubeconfig: string | undefined
  readonly kubernetesServiceHost: string | undefined
  readonly kubernetesServicePort: number | undefined
}

export const originSettings: ConfigSpec<OriginSettings>['settings'] = {
  kubeDir: setting(
    optionalText,
    'AMBIT_KUBE_DIR',
    undefined,
    'Folder of Kubernetes YAML that is taken for the cluster; watched, with the folders right below it.',
  ),
  kubeconfig: setting(
    optionalText,
    'KUBECONFIG',
    undefined,
    'Kubeconfig of the cluster, several separated by colons; not together with a folder.',
  ),
  kubernetesServiceHost: setting(
    optionalText,
    'KUBERNETES_SERVICE_HOST',
    undefined,
    'Set by Kubernetes in a pod: the API server that is asked when neither folder nor kubeconfig is given.',
  ),
  kubernetesServicePort: setting(
    optional(integer(1, 65_535, 'port')),
    'KUBERNETES_SERVICE_PORT',
    undefined,
    'Set by Kubernetes in a pod.',
    '443',
  ),
}

const HTTPS_PORT = 443

/** Exactly one place; two that are named on purpose contradict each other, and none is no cluster. Pure. */
export function decideOrigin(
  settings: OriginSettings,
): ObjectOrigin | { readonly kind: 'undecided'; readonly problem: ConfigProblem } {
  const { kubeDir, kubeconfig, kubernetesServiceHost: host, kubernetesServicePort: port } = settings
  const undecided = (name: string, value: string | undefined, reason: string) => {
    return { kind: 'undecided', problem: { name, value, reason } } as const
  }
  if (kubeDir !== undefined && kubeconfig !== undefined)
    return undecided('KUBECONFIG', kubeconfig, 'cannot stand beside AMBIT_KUBE_DIR: objects come from one place')
  if (kubeDir !== undefined) return { kind: 'folder', dir: kubeDir }
  if (kubeconfig !== undefined) {
    const files = kubeconfig.split(':').filter((file) => file !== '')
    return files.length > 0 ? { kind: 'kubeconfig', files } : undecided('KUBECONFIG', kubeconfig, 'names no file')
  }
  if (host !== undefined) return { kind: 'in-cluster', host, port: port ?? HTTPS_PORT }
  return undecided('AMBIT_KUBE_DIR', undefined, 'or KUBECONFIG must be set, outside of a pod: there is no cluster')
}
