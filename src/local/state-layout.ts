import { join } from 'node:path'

/** Everything that the mesh keeps on disk, below one folder that only its owner may enter. */
export interface StateLayout {
  readonly dir: string
  /** `ambit` talks to the supervisor here. */
  readonly socket: string
  /** For kubectl, with all rights. */
  readonly kubeconfig: string
  readonly folders: {
    /** Objects of the Kubernetes API, as a journal. */
    readonly store: string
    /** The API's authority and the key of service-account tokens. */
    readonly pki: string
    /** Tokens and kubeconfigs of the mesh's programs. */
    readonly accounts: string
    /** `<pod uid>` leads to its network namespace. */
    readonly netns: string
    readonly pods: string
    readonly nodes: string
    readonly logs: string
    /** `<namespace>_<pod>_<uid>/<container>/<run>.log`. */
    readonly podLogs: string
    readonly istiod: string
  }
}

export function layoutOf(dir: string): StateLayout {
  const folders = ['store', 'pki', 'accounts', 'netns', 'pods', 'nodes', 'logs', 'istiod'] as const
  return {
    dir,
    socket: join(dir, 'ambit.sock'),
    kubeconfig: join(dir, 'kubeconfig'),
    // Built from the very list of keys.
    folders: {
      ...(Object.fromEntries(folders.map((name) => [name, join(dir, name)])) as Record<
        (typeof folders)[number],
        string
      >),
      podLogs: join(dir, 'logs', 'pods'),
    },
  }
}
