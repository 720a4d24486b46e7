import { isAbsolute, resolve } from 'node:path'
import type { Container, Pod } from '#shared/k8s'
import { type ReadinessProbe, readProbe } from './probe.ts'

/** What one container runs; made once, from its object. */
export interface ContainerPlan {
  readonly name: string
  readonly argv: readonly [string, ...string[]]
  /** Absolute. */
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  readonly probe: ReadinessProbe | undefined
}

/** Why a pod cannot run on one machine. */
export interface PodProblem {
  readonly path: readonly (string | number)[]
  readonly problem: string
}

/** Everything in a pod's object that stands against running it here; empty when it can. */
export function podProblems(spec: Pod['spec']): readonly PodProblem[] {
  const problems: PodProblem[] = []
  const say = (path: readonly (string | number)[], problem: string): void => void problems.push({ path, problem })
  if (spec.hostNetwork) say(['spec', 'hostNetwork'], 'is not supported on one machine')
  if (spec.initContainers.length > 0) say(['spec', 'initContainers'], 'are not supported on one machine yet')
  if (spec.containers.length === 0) say(['spec', 'containers'], 'is empty')
  spec.containers.forEach((container, i) => {
    const at = ['spec', 'containers', i]
    const twin = spec.containers.findIndex((other) => other.name === container.name)
    if (twin < i) say([...at, 'name'], `is the same as of spec.containers[${twin}]`)
    if (container.command.length === 0)
      say([...at, 'command'], 'is missing; images are not pulled here, so it says what to run')
    const probe = readProbe(container)
    if (probe === undefined || !('problems' in probe)) return
    for (const { path, problem } of probe.problems) say([...at, 'readinessProbe', ...path], problem)
  })
  return problems
}

/**
 * What a pod without problems runs on this machine. There are no images here: a container is a command of this machine,
 * run in `folder` (where the pod's YAML is) unless it says another working directory.
 *
 * @param env what every container gets; its own `env` wins
 */
export function planPod(pod: Pod, folder: string, env: Readonly<Record<string, string>>): readonly ContainerPlan[] {
  return pod.spec.containers.map((container) => {
    const own = envOf(container, env)
    const [command, ...args] = [...container.command, ...container.args].map((word) => expand(word, own))
    const probe = readProbe(container)
    if (command === undefined || (probe !== undefined && 'problems' in probe)) {
      throw new TypeError(`container ${container.name} was not checked before it was planned`)
    }
    return {
      name: container.name,
      argv: [command, ...args],
      folder: isAbsolute(container.workingDir) ? container.workingDir : resolve(folder, container.workingDir),
      env: own,
      probe,
    }
  })
}

function envOf(container: Container, env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const own = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
  return { ...env, ...own }
}

/** `$(NAME)` becomes the variable's value, `$$(NAME)` stays as `$(NAME)`, an unknown name stays as written (Kubernetes). */
function expand(word: string, values: Readonly<Record<string, string>>): string {
  return word.replace(/(\$?)\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)/g, (whole, escaped: string, name: string) => {
    if (escaped !== '') return whole.slice(1)
    return Object.hasOwn(values, name) ? (values[name] ?? whole) : whole
  })
}
