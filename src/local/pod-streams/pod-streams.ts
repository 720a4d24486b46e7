import type { Readable } from 'node:stream'
import type { Clock } from '#shared/clock'
import { ApiError, type ApiObject, type PodBackend } from '../apiserver/index.ts'
import type { Tools } from '../host/index.ts'
import { attachTo } from './attach.ts'
import { execIn } from './exec.ts'
import { connectToLoopback } from './port-forward.ts'
import type { ContainerSituation, ContainerTarget, PodTargets, ProgramTarget } from './types.ts'

export interface PodStreamSettings {
  readonly targets: PodTargets
  readonly tools: Pick<Tools, 'sh' | 'setsid'>
  readonly clock: Clock
}

type Running = Extract<ContainerSituation, { kind: 'running' }>

/** Streams into the pods of this machine. */
export function createPodStreams({ targets, tools, clock }: PodStreamSettings): PodBackend {
  return {
    async exec(pod, { container, ...request }) {
      return execIn(runningOf(present(targets, pod, container), pod, container), request, tools)
    },
    async attach(pod, { container, hasStdin }) {
      const target = present(targets, pod, container)
      const { console } = runningOf(target, pod, container)
      if (hasStdin && console.stdin === undefined) {
        throw refused(`container ${container} of pod ${pod.metadata.name} has no input: its "stdin" is not true`)
      }
      const { stdinOnce, tty } = specOf(pod, container)
      return attachTo(target.log, console, { hasStdin, hasTty: tty === true, isStdinOnce: stdinOnce === true }, clock)
    },
    async logs(pod, { container, ...query }, signal) {
      const target = targets.container(pod, container)
      if (target.kind === 'program') return programLogOf(target, pod, query, signal)
      return logOf(present(targets, pod, container), pod, container, query, signal)
    },
    async portForward(pod, port) {
      const path = targets.netnsPath(pod)
      if (path === undefined) throw refused(`pod ${pod.metadata.name} is not running`)
      return connectToLoopback(path, port)
    },
  }
}

/** @throws ApiError BadRequest when the container is not here, or no container */
function present(targets: PodTargets, pod: ApiObject, container: string): ContainerTarget {
  const target = targets.container(pod, container)
  if (target.kind === 'absent') throw refused(target.reason)
  if (target.kind === 'program') {
    const { name } = pod.metadata
    throw refused(`pod ${name} is a program of the mesh, not a container: its log can be read and its ports forwarded`)
  }
  return target
}

/** @throws ApiError BadRequest when it does not run */
function runningOf({ situation }: ContainerTarget, pod: ApiObject, container: string): Running {
  if (situation.kind === 'running') return situation
  const why = situation.kind === 'ended' ? 'it has ended' : situation.reason
  throw refused(`container not found ("${container}"): it does not run in pod ${pod.metadata.name}: ${why}`)
}

/** @throws ApiError BadRequest for the log before the last start: a program has one log over all of them */
function programLogOf(
  { log }: ProgramTarget,
  { metadata }: ApiObject,
  query: Omit<Parameters<PodBackend['logs']>[1], 'container'>,
  signal: AbortSignal,
): Readable {
  if (query.previous) throw refused(`pod ${metadata.name} has one log over all its starts: ask without "previous"`)
  return log.read(query, signal)
}

/** @throws ApiError BadRequest when that run has not been, in a kubelet's words */
function logOf(
  { situation, log, runs }: ContainerTarget,
  { metadata }: ApiObject,
  container: string,
  query: Omit<Parameters<PodBackend['logs']>[1], 'container'>,
  signal: AbortSignal,
): Readable {
  // Between two runs the last one is the previous one already.
  const isBetween = situation.kind === 'waiting' && runs > 0
  if (query.previous && !isBetween && runs < 2) {
    throw refused(`previous terminated container "${container}" in pod "${metadata.name}" not found`)
  }
  if (runs === 0) {
    const why = situation.kind === 'waiting' ? `is waiting to start: ${situation.reason}` : 'has no log'
    throw refused(`container "${container}" in pod "${metadata.name}" ${why}`)
  }
  return log.read({ ...query, previous: query.previous && !isBetween }, signal)
}

interface ContainerSpec {
  readonly name: string
  readonly stdinOnce?: unknown
  readonly tty?: unknown
}

function specOf({ spec }: ApiObject, name: string): Partial<ContainerSpec> {
  const lists = (spec ?? {}) as Readonly<Record<string, readonly ContainerSpec[] | undefined>>
  const all = [...(lists.containers ?? []), ...(lists.initContainers ?? [])]
  return all.find((container) => container.name === name) ?? {}
}

function refused(message: string): ApiError {
  return new ApiError('BadRequest', message)
}
