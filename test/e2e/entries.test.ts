import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ambit } from '../support/ambit.ts'
import { requirePrivileges } from '../support/privileges.ts'

const SERVER = "http.createServer((q, r) => r.end('outside')).listen(8080, '::')"
/** Prints what is at a URL, or why nothing is. */
const GET = `
const request = http.get(process.argv[1], { timeout: 5000 }, (answer) => answer.on('data', (bytes) => process.stdout.write(bytes)))
request.on('timeout', () => request.destroy(new Error('late')))
request.on('error', (error) => console.log(error.code ?? error.message))`
const NETWORKING = 'apiVersion: networking.istio.io/v1'
const PORTS = 'ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]'
/** How long a change in the folder may take to reach the tunnels of a busy machine. */
const PATIENCE_MS = 15_000

/** A client in the mesh, a server outside of it, and entries that lead from the one to the other. */
const MANIFESTS = [
  'apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }',
  'apiVersion: v1\nkind: Namespace\nmetadata: { name: legacy }',
  `apiVersion: v1
kind: Pod
metadata: { name: client, namespace: shop }
spec: { containers: [{ name: c, command: [sleep, infinity] }] }`,
  `apiVersion: v1
kind: Pod
metadata: { name: server, namespace: legacy, labels: { app: outside } }
spec:
  containers:
    - { name: c, command: [node, -e, "${SERVER}"], readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } }`,
  `${NETWORKING}
kind: ServiceEntry
metadata: { name: selecting, namespace: legacy }
spec: { hosts: [outside.example], resolution: STATIC, workloadSelector: { labels: { app: outside } }, ${PORTS} }`,
  `apiVersion: v1
kind: Service
metadata: { name: machines, namespace: legacy }
spec: { selector: { app: vm }, ports: [{ name: http, port: 80, targetPort: http }] }`,
].join('\n---\n')

describe.runIf(requirePrivileges())('entries of a mesh on one machine', () => {
  let dir: string
  let folder: string
  let ambit: Ambit

  const get = async (url: string): Promise<string> => {
    const { stdout, stderr } = await ambit.run(['exec', '-n', 'shop', 'client', '--', 'node', '-e', GET, url])
    return (stdout === '' ? stderr : stdout).trim()
  }
  /** The last answer, once it is the wanted one or patience ends. */
  const until = async (url: string, wanted: string): Promise<string> => {
    const untilMs = Date.now() + PATIENCE_MS
    for (;;) {
      const answer = await get(url)
      if (answer === wanted || Date.now() > untilMs) return answer
      await setTimeout(200)
    }
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-entries-'))
    ambit = new Ambit({ stateDir: join(dir, 'state') })
    folder = join(dir, 'yaml')
    mkdirSync(folder)
    writeFileSync(join(folder, 'all.yaml'), MANIFESTS)
    const args = ['up', '--detach', '-f', folder, '--env', 'node-agent:AMBIT_DNS_CAPTURE=true']
    expect(await ambit.run(args)).toMatchObject({ code: 0, stderr: '' })
  })
  afterAll(async () => {
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  })

  it('are known by their names, and lead to the pods that they select', async () => {
    expect(await until('http://outside.example/', 'outside')).toBe('outside')
  })

  it('lead from addresses of their own to endpoints that they name, and give services endpoints that are no pods', async () => {
    const { pods } = await ambit.status()
    const address = pods.find(({ name }) => name === 'server')?.addresses[0]
    writeFileSync(
      join(folder, 'machine.yaml'),
      `${NETWORKING}
kind: ServiceEntry
metadata: { name: naming, namespace: legacy }
spec: { hosts: [named.example], addresses: [192.0.2.9], resolution: STATIC, endpoints: [{ address: ${address} }], ${PORTS} }
---
${NETWORKING}
kind: WorkloadEntry
metadata: { name: machine, namespace: legacy }
spec: { address: ${address}, labels: { app: vm }, ports: { http: 8080 } }`,
    )
    expect(await until('http://192.0.2.9/', 'outside')).toBe('outside')
    expect(await until('http://machines.legacy/', 'outside')).toBe('outside')
  })

  it('are hidden from other namespaces by the ConfigMap of the mesh', async () => {
    writeFileSync(
      join(folder, 'settings.yaml'),
      `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: 'serviceEntryVisibility: { defaultVisibility: NAMESPACE }' }`,
    )
    expect(await until('http://outside.example/', 'ENOTFOUND')).toBe('ENOTFOUND')
  })
})
