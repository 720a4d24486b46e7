import { isAbsolute, resolve } from 'node:path'
import { isRecord } from '#shared/document'
import type { Container, Pod } from '#shared/k8s'
import type {
  ContainerPlan,
  HookPlan,
  PodPlan,
  PodProblem,
  ProbeCheck,
  ProbePlan,
  RestartPolicy,
} from '../pod-plan/index.ts'

type Fields = Readonly<Record<string, unknown>>

const DEFAULT_GRACE_SECONDS = 30

/** Everything in a pod's object that stands against running it here; empty when it can. */
export function podProblems(spec: Pod['spec'], written: Fields): readonly PodProblem[] {
  const problems: PodProblem[] = []
  const say = (path: readonly (string | number)[], problem: string): void => void problems.push({ path, problem })
  if (spec.hostNetwork) say(['spec', 'hostNetwork'], 'is not supported on one machine')
  if (spec.containers.length === 0) say(['spec', 'containers'], 'is empty')
  for (const list of ['initContainers', 'containers'] as const) {
    spec[list].forEach((container, i) => {
      const at = ['spec', list, i]
      const twin = spec[list].findIndex((other) => other.name === container.name)
      if (twin < i) say([...at, 'name'], `is the same as of spec.${list}[${twin}]`)
      if (container.command.length === 0)
        say([...at, 'command'], 'is missing; images are not pulled here, so it says what to run')
      const fields = listOf(written, list)[i] ?? {}
      for (const [path, handler] of handlersOf(fields)) {
        const check = readHandler(handler, container.ports)
        if (typeof check === 'string') say([...at, ...path], check)
      }
    })
  }
  return problems
}

/**
 * What a pod without problems runs on this machine. There are no images here: a container is a command of this machine,
 * run in `folder` (where the pod's YAML is) unless it says another working directory.
 *
 * @param written its `spec` as it is in the API
 * @param env what every container gets; its own `env` wins
 */
export function planPod(pod: Pod, written: Fields, folder: string, env: Readonly<Record<string, string>>): PodPlan {
  const restartPolicy = policyOf(written.restartPolicy) ?? 'Always'
  const plan = (list: 'initContainers' | 'containers', otherwise: RestartPolicy): readonly ContainerPlan[] =>
    pod.spec[list].map((container, i) =>
      planContainer(container, listOf(written, list)[i] ?? {}, { folder, env, restart: otherwise }),
    )
  const deadline = written.activeDeadlineSeconds
  return {
    hostname: typeof written.hostname === 'string' ? written.hostname : pod.metadata.name,
    restartPolicy,
    // One that has succeeded is not run again, whatever its pod says.
    initContainers: plan('initContainers', restartPolicy === 'Never' ? 'Never' : 'OnFailure'),
    containers: plan('containers', restartPolicy),
    graceMs: numberOf(written, 'terminationGracePeriodSeconds', DEFAULT_GRACE_SECONDS) * 1000,
    activeDeadlineMs: typeof deadline === 'number' ? deadline * 1000 : undefined,
  }
}

function planContainer(
  container: Container,
  fields: Fields,
  given: { readonly folder: string; readonly env: Readonly<Record<string, string>>; readonly restart: RestartPolicy },
): ContainerPlan {
  const own = { ...given.env, ...Object.fromEntries(container.env.map(({ name, value }) => [name, value])) }
  const [command, ...args] = [...container.command, ...container.args].map((word) => expand(word, own))
  if (command === undefined) throw new TypeError(`container ${container.name} was not checked before it was planned`)
  const { workingDir } = container
  const probe = (name: string): ProbePlan | undefined => readProbe(fields[name], container.ports)
  const hooks = recordOf(fields.lifecycle)
  const hook = (name: string): HookPlan | undefined => {
    const read = hooks[name] === undefined ? undefined : readHandler(recordOf(hooks[name]), container.ports)
    return typeof read === 'string' ? undefined : read
  }
  return {
    name: container.name,
    image: container.image,
    restart: policyOf(container.restartPolicy) ?? given.restart,
    probes: { startup: probe('startupProbe'), liveness: probe('livenessProbe'), readiness: probe('readinessProbe') },
    hooks: { postStart: hook('postStart'), preStop: hook('preStop') },
    hasStdin: fields.stdin === true,
    hasTty: fields.tty === true,
    resolve: () => ({
      argv: [command, ...args],
      folder: isAbsolute(workingDir) ? workingDir : resolve(given.folder, workingDir),
      env: own,
      mounts: [],
      isRootReadOnly: false,
      user: undefined,
    }),
  }
}

function handlersOf(fields: Fields): readonly (readonly [path: readonly string[], handler: Fields])[] {
  const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'].map((name) => [[name], fields[name]] as const)
  const lifecycle = recordOf(fields.lifecycle)
  const hooks = ['postStart', 'preStop'].map((name) => [['lifecycle', name], lifecycle[name]] as const)
  return [...probes, ...hooks].flatMap(([path, handler]) => (isRecord(handler) ? [[path, handler] as const] : []))
}

function readProbe(written: unknown, ports: Container['ports']): ProbePlan | undefined {
  if (!isRecord(written)) return undefined
  const check = readHandler(written, ports)
  if (typeof check === 'string' || check.kind === 'sleep') return undefined
  const grace = written.terminationGracePeriodSeconds
  return {
    check,
    initialDelayMs: numberOf(written, 'initialDelaySeconds', 0) * 1000,
    periodMs: numberOf(written, 'periodSeconds', 10) * 1000,
    timeoutMs: numberOf(written, 'timeoutSeconds', 1) * 1000,
    successThreshold: numberOf(written, 'successThreshold', 1),
    failureThreshold: numberOf(written, 'failureThreshold', 3),
    graceMs: typeof grace === 'number' ? grace * 1000 : undefined,
  }
}

/** @returns what is wrong with it, as text */
function readHandler(written: Fields, ports: Container['ports']): HookPlan | string {
  if (isRecord(written.exec)) {
    const { command } = written.exec
    return Array.isArray(command) && command.length > 0
      ? { kind: 'exec', argv: command.map(String) }
      : 'exec.command is missing'
  }
  if (isRecord(written.sleep)) return { kind: 'sleep', ms: numberOf(written.sleep, 'seconds', 0) * 1000 }
  const kind = (['httpGet', 'tcpSocket', 'grpc'] as const).find((each) => isRecord(written[each]))
  if (kind === undefined) return 'says nothing of what to do'
  const body = recordOf(written[kind])
  const named = ports.find(({ name }) => name !== '' && name === body.port)?.containerPort
  const port = typeof body.port === 'number' ? body.port : named
  if (port === undefined || !(port >= 1 && port <= 65_535))
    return `${kind}.port must be a port number or the name of a container port`
  return readNetworkCheck(kind, body, port)
}

function readNetworkCheck(kind: 'httpGet' | 'tcpSocket' | 'grpc', body: Fields, port: number): ProbeCheck {
  const host = typeof body.host === 'string' && body.host !== '' ? body.host : undefined
  if (kind === 'tcpSocket') return { kind: 'tcp', host, port }
  if (kind === 'grpc') return { kind: 'grpc', port, service: typeof body.service === 'string' ? body.service : '' }
  const path = typeof body.path === 'string' && body.path !== '' ? body.path : '/'
  const headers = listOf(body, 'httpHeaders').map(({ name, value }) => [String(name), String(value ?? '')] as const)
  return { kind: 'http', isTls: body.scheme === 'HTTPS', host, port, path, headers }
}

function policyOf(value: unknown): RestartPolicy | undefined {
  return (['Always', 'OnFailure', 'Never'] as const).find((each) => each === value)
}

function numberOf(fields: Fields, name: string, otherwise: number): number {
  const value = fields[name]
  return typeof value === 'number' ? value : otherwise
}

function recordOf(value: unknown): Fields {
  return isRecord(value) ? value : {}
}

function listOf(fields: Fields, name: string): readonly Fields[] {
  const value = fields[name]
  return Array.isArray(value) ? value.map(recordOf) : []
}

/** `$(NAME)` becomes the variable's value, `$$(NAME)` stays as `$(NAME)`, an unknown name stays as written (Kubernetes). */
function expand(word: string, values: Readonly<Record<string, string>>): string {
  return word.replace(/(\$?)\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)/g, (whole, escaped: string, name: string) => {
    if (escaped !== '') return whole.slice(1)
    return Object.hasOwn(values, name) ? (values[name] ?? whole) : whole
  })
}
