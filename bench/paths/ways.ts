export type BasePath = 'direct' | 'same-node direct'

/** A way from a client to a server; which way it is compared with stands in `WAYS`. */
export type PathName = BasePath | 'tunnel' | 'same-node' | 'same-node tunnel' | 'rival' | 'haproxy'

interface Pod {
  readonly name: string
  readonly node: string
}

export interface Way {
  readonly path: PathName
  /** The same two places without anything between them; undefined for such a way itself. */
  readonly base: BasePath | undefined
  /** Enrolled pods have a tunnel between them. */
  readonly namespace: 'bare' | 'meshed'
  readonly client: Pod
  readonly server: Pod
}

const NEAR = { name: 'client', node: 'node-a' }
const FAR_SERVER = { name: 'server', node: 'node-b' }
const NEAR_SERVER = { name: 'near-server', node: 'node-a' }

export const WAYS: readonly Way[] = [
  { path: 'direct', base: undefined, namespace: 'bare', client: NEAR, server: FAR_SERVER },
  { path: 'tunnel', base: 'direct', namespace: 'meshed', client: NEAR, server: FAR_SERVER },
  {
    path: 'rival',
    base: 'direct',
    namespace: 'meshed',
    client: { name: 'rival-client', node: 'node-d' },
    server: { name: 'rival-server', node: 'node-e' },
  },
  { path: 'haproxy', base: 'direct', namespace: 'bare', client: NEAR, server: FAR_SERVER },
  { path: 'same-node direct', base: undefined, namespace: 'bare', client: NEAR, server: NEAR_SERVER },
  { path: 'same-node', base: 'same-node direct', namespace: 'meshed', client: NEAR, server: NEAR_SERVER },
  {
    path: 'same-node tunnel',
    base: 'same-node direct',
    namespace: 'meshed',
    client: { name: 'loop-client', node: 'node-c' },
    server: { name: 'loop-server', node: 'node-c' },
  },
]

/** The nodes that carry a way of the mesh: their tunnels' CPU is what it costs. */
export function tunnelNodes(way: Way): readonly string[] {
  return way.namespace === 'meshed' ? [...new Set([way.client.node, way.server.node])] : []
}
