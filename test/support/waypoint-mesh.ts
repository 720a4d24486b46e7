import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Asked } from '../e2e/programs/ask.ts'
import { Ambit } from './ambit.ts'

const ASK = resolve(import.meta.dirname, '../e2e/programs/ask.ts')

/** One line of `ask.ts`. */
export interface Answer {
  readonly ms: number
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | string[]>>
  /** Of samples/echo. */
  // biome-ignore lint/suspicious/noExplicitAny: what an application answers
  readonly body?: any
  readonly error?: string
}

/** A deployment of samples/echo. */
export interface EchoApp {
  readonly name: string
  /** Label `app`; default the name. */
  readonly app?: string
  readonly version?: string
  readonly replicas?: number
  readonly env?: Readonly<Record<string, string>>
}

export function echoDeployment({ name, app = name, version = 'v1', replicas = 1, env = {} }: EchoApp): string {
  const labels = `{ app: ${app}, version: ${version} }`
  const variables = Object.entries({ VERSION: version, ...env })
    .map(([key, value]) => `{ name: ${key}, value: "${value}" }`)
    .join(', ')
  return `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: shop }
spec:
  replicas: ${replicas}
  selector: { matchLabels: ${labels} }
  template:
    metadata: { labels: ${labels} }
    spec:
      containers:
      - name: echo
        image: ambit/echo
        env: [${variables}, { name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]
        readinessProbe: { httpGet: { port: 8080, path: / }, periodSeconds: 1 }`
}

export function echoService(name: string, ports = '{ name: http, port: 8080 }'): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { selector: { app: ${name} }, ports: [${ports}] }`
}

/** A pod that runs this command and is ready when its port can be connected. */
export function podOf(name: string, command: readonly string[], port: number): string {
  return `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name} } }
spec:
  containers:
  - { name: c, command: ${JSON.stringify(command)}, readinessProbe: { tcpSocket: { port: ${port} }, periodSeconds: 1 } }`
}

/** A namespace in the mesh with a waypoint of its own, and a client pod `web` with an account of its own. */
const COMMON = `apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: shop, labels: { istio.io/waypoint-for: service } }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: web, namespace: shop }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec: { serviceAccountName: web, containers: [{ name: c, command: [sleep, infinity] }] }`

/** A mesh on this machine with a waypoint in namespace `shop`, and what a test does with it. */
export class WaypointMesh {
  readonly #dir = mkdtempSync(join(tmpdir(), 'ambit-waypoint-'))
  readonly ambit: Ambit = new Ambit({ stateDir: join(this.#dir, 'state') })

  /** Resolves when the waypoint is programmed and every pod is ready. */
  async up(manifests: readonly string[], args: readonly string[] = []): Promise<void> {
    await this.#ok(['up', '--detach', ...args])
    await this.#ok(['apply', '-f', '-'], [COMMON, ...manifests].join('\n---\n'))
    await this.#ok(['kubectl', 'wait', '-n', 'shop', 'gateway/waypoint', '--for=condition=Programmed', '--timeout=60s'])
  }

  async down(): Promise<void> {
    await this.ambit.run(['down'])
    rmSync(this.#dir, { recursive: true, force: true })
  }

  /** Objects for namespace `shop`; resolves when every proxy that needs them runs them. */
  async apply(yaml: string): Promise<void> {
    await this.#ok(['apply', '-n', 'shop', '--wait', '-f', '-'], yaml)
  }

  async delete(...what: readonly string[]): Promise<void> {
    await this.#ok(['kubectl', 'delete', '-n', 'shop', '--wait=true', ...what])
    await this.#ok(['wait-for-sync'])
  }

  async kubectl(...args: readonly string[]): Promise<string> {
    return this.#ok(['kubectl', ...args])
  }

  /** Requests from pod `web`, or another of namespace `shop`. */
  async ask(asked: Asked, pod = 'web'): Promise<readonly Answer[]> {
    const stdout = await this.#ok(['exec', '-n', 'shop', pod, '--', 'node', ASK, JSON.stringify(asked)])
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Answer)
  }

  /** Asks until an answer is as wanted, and returns it. @throws Error with the last one */
  async askUntil(asked: Asked, isWanted: (answer: Answer) => boolean, withinMs = 20_000): Promise<Answer> {
    const untilMs = Date.now() + withinMs
    for (;;) {
      const [answer] = await this.ask(asked)
      if (answer !== undefined && isWanted(answer)) return answer
      if (Date.now() > untilMs) throw new Error(`not the wanted answer: ${JSON.stringify(answer)}`)
      await setTimeout(200)
    }
  }

  async exec(pod: string, command: readonly string[]): Promise<string> {
    return this.#ok(['exec', '-n', 'shop', pod, '--', ...command])
  }

  /** Resolves when requests to samples/echo take the way through the waypoint. */
  async throughWaypoint(url: string): Promise<void> {
    await this.askUntil({ url }, ({ status, body }) => status === 200 && body?.headers?.['x-request-id'] !== undefined)
  }

  /** Resident memory of all processes of the waypoint. */
  async waypointMemoryMib(): Promise<number> {
    const { pods } = await this.ambit.status()
    let kib = 0
    for (const { name, pid } of pods) {
      if (!name.startsWith('waypoint-') || pid === undefined) continue
      kib += Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
    }
    if (kib === 0) throw new Error('no process of a waypoint')
    return kib / 1024
  }

  async #ok(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.ambit.run(args, input)
    if (code !== 0) throw new Error(`ambit ${args.join(' ')}: exit ${code}\n${stderr}${stdout}`)
    return stdout
  }
}

/** How often each value occurs. */
export function countBy<T>(all: readonly T[], keyOf: (one: T) => unknown): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const one of all) {
    const key = String(keyOf(one))
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}

/**
 * Whether `hits` of `count` draws are what a chance of `share` gives: within five standard deviations, which a right
 * implementation leaves less than once in a million runs.
 */
export function isShare(hits: number, count: number, share: number): boolean {
  return Math.abs(hits - count * share) <= 5 * Math.sqrt(count * share * (1 - share)) + 1
}
