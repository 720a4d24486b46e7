import type { Socket } from 'node:net'
import type { TestPod } from './pod-network.ts'

/** Answers what it got with the address it came from, at the end of what it got. */
export function echoSource(socket: Socket): void {
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (part) => {
    text += part
  })
  socket.on('end', () => socket.end(`${socket.remoteAddress?.replace('::ffff:', '')} ${text}`))
}

/** Sends, half-closes, and reads to the end. */
export function exchange(socket: Socket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (part) => {
      answer += part
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
    socket.end(text)
  })
}

/** Workloads of these pods, a service `web` of the pod `server`, and two policies of single ports. */
export function pathsMesh(...pods: readonly (readonly [pod: TestPod, node: string])[]): string {
  const workloads = pods.map(([{ name, ip, ip6 }, node]) => ({
    uid: `Kubernetes//Pod/default/${name}`,
    name,
    namespace: 'default',
    serviceAccount: name,
    trustDomain: 'cluster.local',
    workloadIps: [ip, ip6],
    protocol: 'HBONE',
    node,
    workloadName: name,
    workloadType: 'deployment',
    canonicalName: name,
    canonicalRevision: 'v1',
    clusterId: 'Kubernetes',
    services: name === 'server' ? { 'default/web.default.svc.cluster.local': { 80: 8080 } } : {},
  }))
  const services = [
    {
      name: 'web',
      namespace: 'default',
      hostname: 'web.default.svc.cluster.local',
      vips: ['/10.96.0.1', '/fd96::1'],
      ports: { 80: 8080 },
    },
  ]
  const deny = (name: string, match: object): object => ({
    name,
    namespace: 'default',
    scope: 'Namespace',
    action: 'Deny',
    dryRun: false,
    rules: [[[match]]],
  })
  const policies = [
    deny('no-client', { principals: [{ Exact: 'cluster.local/ns/default/sa/client' }], destinationPorts: [7001] }),
    deny('strict-port', { notPrincipals: [{ Presence: [] }], destinationPorts: [7002] }),
  ]
  return JSON.stringify({ workloads, services, policies })
}
