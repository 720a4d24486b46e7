import { integer, list, oneOf, optional, type Path, type Report, record, type Shape, text } from '#shared/document'
import type { HookPlan, ProbeCheck, ProbePlan } from './types.ts'

/** A port of the container, which probes may name. */
export interface NamedPort {
  readonly name: string
  readonly port: number
}

/** What of a container is asked or run beside its process. */
export interface Handlers {
  readonly startupProbe: ProbePlan | undefined
  readonly livenessProbe: ProbePlan | undefined
  readonly readinessProbe: ProbePlan | undefined
  readonly lifecycle: { readonly postStart: HookPlan | undefined; readonly preStop: HookPlan | undefined }
}

const MAX_SECONDS = 2_147_483_647
const CHECKS = ['exec', 'httpGet', 'tcpSocket', 'grpc'] as const
const HOOKS = ['exec', 'httpGet', 'tcpSocket', 'sleep'] as const
type Kind = (typeof CHECKS)[number] | (typeof HOOKS)[number]

/** Probes and hooks of a container with these ports. */
export function handlers(ports: readonly NamedPort[]): Shape<Handlers> {
  const hook = optional(hookShape(ports))
  return record({
    startupProbe: optional(probeShape(ports, 'one')),
    livenessProbe: optional(probeShape(ports, 'one')),
    readinessProbe: optional(probeShape(ports, 'any')),
    lifecycle: record({ postStart: hook, preStop: hook }),
  })
}

function probeShape(ports: readonly NamedPort[], successes: 'one' | 'any'): Shape<ProbePlan> {
  return (value, path, report) => {
    const timing = record({
      initialDelaySeconds: optional(integer(0, MAX_SECONDS)),
      periodSeconds: optional(integer(1, MAX_SECONDS)),
      timeoutSeconds: optional(integer(1, MAX_SECONDS)),
      // Kubernetes has it so: a container that lives does not have to show it twice.
      successThreshold: optional(integer(1, successes === 'one' ? 1 : MAX_SECONDS)),
      failureThreshold: optional(integer(1, MAX_SECONDS)),
      terminationGracePeriodSeconds: optional(integer(1, MAX_SECONDS)),
    })(value, path, report)
    const grace = timing.terminationGracePeriodSeconds
    return {
      check: checkShape(CHECKS, ports)(value, path, report) as ProbeCheck,
      initialDelayMs: (timing.initialDelaySeconds ?? 0) * 1000,
      periodMs: (timing.periodSeconds ?? 10) * 1000,
      timeoutMs: (timing.timeoutSeconds ?? 1) * 1000,
      successThreshold: timing.successThreshold ?? 1,
      failureThreshold: timing.failureThreshold ?? 3,
      graceMs: grace === undefined ? undefined : grace * 1000,
    }
  }
}

function hookShape(ports: readonly NamedPort[]): Shape<HookPlan> {
  return checkShape(HOOKS, ports)
}

/** Exactly one of `kinds`. */
function checkShape(kinds: readonly Kind[], ports: readonly NamedPort[]): Shape<HookPlan> {
  return (value, path, report) => {
    const written = record({ exec: any, httpGet: any, tcpSocket: any, grpc: any, sleep: any })(value, path, report)
    const given = kinds.filter((kind) => written[kind] !== undefined)
    const [kind = 'exec'] = given
    if (given.length !== 1) report(path, `must have exactly one of ${kinds.join(', ')}`)
    // Only the first is looked into: nothing is known of what was meant.
    return given.length === 0
      ? { kind: 'exec', argv: [] }
      : readers[kind](ports)(written[kind], [...path, kind], report)
  }
}

const any: Shape<unknown> = (value) => value

const readers: Readonly<Record<Kind, (ports: readonly NamedPort[]) => Shape<HookPlan>>> = {
  exec: () => (value, path, report) => {
    const { command } = record({ command: list(text()) })(value, path, report)
    if (command.length === 0) report([...path, 'command'], 'is missing')
    return { kind: 'exec', argv: command }
  },
  tcpSocket: (ports) => (value, path, report) => {
    const { port, host } = record({ port: any, host: text('') })(value, path, report)
    return { kind: 'tcp', host: host || undefined, port: portOf(port, ports, [...path, 'port'], report) }
  },
  httpGet: (ports) => (value, path, report) => {
    const read = record({
      path: text('/'),
      port: any,
      host: text(''),
      scheme: oneOf(['HTTP', 'HTTPS'], 'HTTP'),
      httpHeaders: list(record({ name: text(), value: text('') })),
    })(value, path, report)
    if (!/^[!-~]*$/.test(read.path)) report([...path, 'path'], 'must be a path without spaces')
    read.httpHeaders.forEach(({ name, value: text }, i) => {
      const at = [...path, 'httpHeaders', i]
      if (!/^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/.test(name)) report([...at, 'name'], 'is no header name')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a header must not have
      if (/[\0-\x08\n-\x1f\x7f]/.test(text)) report([...at, 'value'], 'must not have control characters')
    })
    return {
      kind: 'http',
      isTls: read.scheme === 'HTTPS',
      host: read.host || undefined,
      port: portOf(read.port, ports, [...path, 'port'], report),
      path: read.path.startsWith('/') ? read.path : `/${read.path}`,
      headers: read.httpHeaders.map(({ name, value: text }) => [name, text] as const),
    }
  },
  grpc: () => (value, path, report) => {
    const { port, service } = record({ port: integer(1, 65_535), service: text('') })(value, path, report)
    return { kind: 'grpc', port, service }
  },
  sleep: () => (value, path, report) => {
    const { seconds } = record({ seconds: integer(0, MAX_SECONDS) })(value, path, report)
    return { kind: 'sleep', ms: seconds * 1000 }
  },
}

function portOf(written: unknown, ports: readonly NamedPort[], path: Path, report: Report): number {
  const port = typeof written === 'string' ? ports.find(({ name }) => name === written)?.port : written
  if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535) return port
  report(path, 'must be a port number or the name of a port of the container')
  return 1
}
