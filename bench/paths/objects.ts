/**
 * The server's ports. Each measurement takes the next one: a closed connection keeps its pair of addresses and ports for a
 * minute (TIME_WAIT), and 28,000 of them to one port make the kernel search for a free one.
 */
export const PORTS: readonly number[] = Array.from({ length: 32 }, (_, i) => 8080 + i)

/**
 * Two namespaces with the same client on node-a and server on node-b; one is enrolled, the other is not. An
 * AuthorizationPolicy makes the tunnel decide about every connection, as it would in a real mesh.
 */
export function pathsYaml(serverProgram: string): string {
  const pods = ['bare', 'meshed'].map((namespace) => podsOf(namespace, serverProgram))
  const policy = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: only-the-client, namespace: meshed }
spec:
  selector: { matchLabels: { app: server } }
  action: ALLOW
  rules:
    - from: [{ source: { principals: [cluster.local/ns/meshed/sa/client] } }]
      to: [{ operation: { ports: ${JSON.stringify(PORTS.map(String))} } }]
`
  return [...pods, policy].join('---')
}

function podsOf(namespace: string, serverProgram: string): string {
  const labels = namespace === 'meshed' ? '{ istio.io/dataplane-mode: ambient }' : '{}'
  const pod = (name: string, node: string, command: readonly string[]): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name} } }
spec:
  serviceAccountName: ${name}
  nodeName: ${node}
  containers: [{ name: ${name}, image: ambit/bench, command: ${JSON.stringify(command)} }]
`
  const account = (name: string): string => `
apiVersion: v1
kind: ServiceAccount
metadata: { name: ${name}, namespace: ${namespace} }
`
  return [
    `
apiVersion: v1
kind: Namespace
metadata: { name: ${namespace}, labels: ${labels} }
`,
    account('client'),
    account('server'),
    pod('client', 'node-a', ['sleep', 'infinity']),
    pod('server', 'node-b', ['node', serverProgram, String(PORTS[0]), String(PORTS.length)]),
  ].join('---')
}
