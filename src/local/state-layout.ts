import { join } from 'node:path'

/** Everything that the mesh keeps on disk, below one folder that only its owner may enter. */
export interface StateLayout {
  readonly dir: string
  /** `ambit` talks to the supervisor here. */
  readonly socket: string
  readonly tokenKey: string
  readonly jwks: string
  readonly folders: {
    /** Live objects: what the mesh's programs read. */
    readonly objects: string
    /** Half-written files, to be renamed into place. */
    readonly beside: string
    /** `<pod uid>` leads to its network namespace. */
    readonly netns: string
    readonly pods: string
    readonly nodes: string
    readonly logs: string
    readonly istiod: string
  }
}

export function layoutOf(dir: string): StateLayout {
  const folders = ['objects', 'beside', 'netns', 'pods', 'nodes', 'logs', 'istiod'] as const
  return {
    dir,
    socket: join(dir, 'ambit.sock'),
    tokenKey: join(dir, 'token-key.pem'),
    jwks: join(dir, 'token-jwks.json'),
    // Built from the very list of keys.
    folders: Object.fromEntries(folders.map((name) => [name, join(dir, name)])) as unknown as StateLayout['folders'],
  }
}
