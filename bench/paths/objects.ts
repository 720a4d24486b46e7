import type { Way } from './ways.ts'

/**
 * The server's ports. Each measurement takes the next one: a closed connection keeps its pair of addresses and ports for a
 * minute (TIME_WAIT), and 28,000 of them to one port make the kernel search for a free one.
 */
export const PORTS: readonly number[] = Array.from({ length: 32 }, (_, i) => 8080 + i)

/**
 * The pods of these ways: the same client and server in a namespace that is enrolled and in one that is not. An
 * AuthorizationPolicy makes the tunnel decide about every connection, as it would in a real mesh.
 */
export function pathsYaml(ways: readonly Way[], serverProgram: string): string {
  const policy = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: only-the-client, namespace: meshed }
spec:
  selector: { matchLabels: { role: server } }
  action: ALLOW
  rules:
    - from: [{ source: { principals: [cluster.local/ns/meshed/sa/client] } }]
      to: [{ operation: { ports: ${JSON.stringify(PORTS.map(String))} } }]
`
  return [namespaceYaml('bare', '{}'), namespaceYaml('meshed', '{ istio.io/dataplane-mode: ambient }')]
    .concat(podsYaml(ways, serverProgram), policy)
    .join('---')
}

function namespaceYaml(namespace: string, labels: string): string {
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
  ].join('---')
}

function podsYaml(ways: readonly Way[], serverProgram: string): string[] {
  const serve = ['node', serverProgram, String(PORTS[0]), String(PORTS.length)]
  const pods = new Map<string, string>()
  for (const { namespace, client, server } of ways) {
    for (const [pod, role, command] of [
      [client, 'client', ['sleep', 'infinity']],
      [server, 'server', serve],
    ] as const) {
      const yaml = `
apiVersion: v1
kind: Pod
metadata: { name: ${pod.name}, namespace: ${namespace}, labels: { app: ${pod.name}, role: ${role} } }
spec:
  serviceAccountName: ${role}
  nodeName: ${pod.node}
  containers: [{ name: ${pod.name}, image: ambit/bench, command: ${JSON.stringify(command)} }]
`
      pods.set(`${namespace}/${pod.name}`, yaml)
    }
  }
  return [...pods.values()]
}
