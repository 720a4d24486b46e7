import { request } from 'node:http'
import type { Socket } from 'node:net'
import type { Container } from '#shared/k8s'
import type { IpAddress } from '#shared/net'

/** How a container says that it can serve (Kubernetes core/v1 Probe; gRPC and exec probes are refused by name). */
export interface ReadinessProbe {
  readonly check:
    | { readonly kind: 'tcp'; readonly port: number }
    | { readonly kind: 'http'; readonly port: number; readonly path: string }
  readonly initialDelayMs: number
  readonly periodMs: number
  readonly timeoutMs: number
  readonly successThreshold: number
  readonly failureThreshold: number
}

export interface ProbeProblem {
  /** Below `readinessProbe`. */
  readonly path: readonly string[]
  readonly problem: string
}

/** Reads `readinessProbe` as written; named ports are looked up among the container's. */
export function readProbe(
  container: Pick<Container, 'readinessProbe' | 'ports'>,
): ReadinessProbe | { readonly problems: readonly ProbeProblem[] } | undefined {
  const written = container.readinessProbe
  if (written === undefined) return undefined
  const problems: ProbeProblem[] = []
  const seconds = (name: string, fallback: number, least: number): number => {
    const value = written[name] ?? fallback
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= 86_400) return value
    problems.push({ path: [name], problem: `must be a whole number from ${least} to 86400` })
    return fallback
  }
  const known = new Set(['tcpSocket', 'httpGet', 'initialDelaySeconds', 'periodSeconds', 'timeoutSeconds'])
  for (const name of ['successThreshold', 'failureThreshold']) known.add(name)
  for (const name of Object.keys(written)) {
    if (!known.has(name)) problems.push({ path: [name], problem: 'is not supported; use tcpSocket or httpGet' })
  }
  const check = readCheck(written, container.ports, problems)
  const probe = {
    initialDelayMs: seconds('initialDelaySeconds', 0, 0) * 1000,
    periodMs: seconds('periodSeconds', 10, 1) * 1000,
    timeoutMs: seconds('timeoutSeconds', 1, 1) * 1000,
    successThreshold: seconds('successThreshold', 1, 1),
    failureThreshold: seconds('failureThreshold', 3, 1),
  }
  return check === undefined || problems.length > 0 ? { problems } : { check, ...probe }
}

function readCheck(
  written: Readonly<Record<string, unknown>>,
  ports: Container['ports'],
  problems: ProbeProblem[],
): ReadinessProbe['check'] | undefined {
  const kind = written.httpGet === undefined ? 'tcpSocket' : 'httpGet'
  const body = (written[kind] ?? {}) as Readonly<Record<string, unknown>>
  const wanted = body.port
  const named = ports.find((port) => port.name !== '' && port.name === wanted)?.containerPort
  const port = typeof wanted === 'number' ? wanted : (named ?? Number.NaN)
  if (!(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    problems.push({ path: [kind, 'port'], problem: 'must be a port number or the name of a container port' })
    return undefined
  }
  if (kind === 'tcpSocket') return { kind: 'tcp', port }
  const { path = '/', scheme = 'HTTP' } = body
  if (typeof path !== 'string' || !path.startsWith('/')) {
    problems.push({ path: ['httpGet', 'path'], problem: 'must start with /' })
    return undefined
  }
  if (scheme !== 'HTTP') problems.push({ path: ['httpGet', 'scheme'], problem: 'only HTTP is supported' })
  return { kind: 'http', port, path }
}

/** Opens a connection from the node to the pod; the probe closes it. */
export type Dial = (ip: IpAddress, port: number) => Socket

/** Asks once. @returns undefined when the container is ready, else why it is not */
export function askOnce(
  probe: Pick<ReadinessProbe, 'check' | 'timeoutMs'>,
  ip: IpAddress,
  dial: Dial,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const { check, timeoutMs } = probe
    const socket = dial(ip, check.port)
    const timer = setTimeout(() => answer('no answer in time'), timeoutMs)
    const answer = (reason: string | undefined): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(reason)
    }
    socket.on('error', (error) => answer(error.message))
    if (check.kind === 'tcp') {
      socket.once('connect', () => answer(undefined))
      return
    }
    const headers = {
      host: `${ip.includes(':') ? `[${ip}]` : ip}:${check.port}`,
      'user-agent': 'kube-probe',
      connection: 'close',
    }
    const asked = request({ createConnection: () => socket, path: check.path, headers }, (response) => {
      const status = response.statusCode ?? 0
      response.resume()
      answer(status >= 200 && status < 400 ? undefined : `HTTP status ${status}`)
    })
    asked.on('error', (error) => answer(error.message))
    asked.end()
  })
}
