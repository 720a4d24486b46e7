import type { ContainerRole, ContainerState, PodEnd, TerminatedRun } from '../kubelet/index.ts'

/** A container as its pod's runner knows it. */
export interface ContainerFacts {
  readonly name: string
  readonly role: ContainerRole
  readonly state: ContainerState
  /** The run before the one that `state` shows. */
  readonly last: TerminatedRun | undefined
  readonly restarts: number
  readonly hasSucceeded: boolean
  readonly isStarted: boolean
  readonly isReady: boolean
}

/** A pod as its runner knows it. */
export interface PodFacts {
  readonly uid: string
  readonly hostIps: readonly string[]
  /** Empty unless it is linked. */
  readonly ips: readonly string[]
  /** Its namespaces are there and linked. */
  readonly isLinked: boolean
  readonly isInitialized: boolean
  readonly isLeaving: boolean
  /** RFC 3339. */
  readonly startedAt: string
  /** Why it does not go on; empty when it does. */
  readonly reason: string
  readonly end: PodEnd | undefined
  readonly initContainers: readonly ContainerFacts[]
  readonly containers: readonly ContainerFacts[]
}

export type PhaseWord = 'Pending' | 'Running' | 'Succeeded' | 'Failed'

export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

/** Pending until each main container has run at least once; an end is final (Kubernetes pod lifecycle). */
export function podPhase({ end, isInitialized, containers }: PodFacts): PhaseWord {
  if (end !== undefined) return end.phase
  if (!isInitialized) return 'Pending'
  return containers.every(({ state, last }) => state.kind !== 'waiting' || last !== undefined) ? 'Running' : 'Pending'
}

/** The kubelet's conditions. @param gates types of `spec.readinessGates`, @param others conditions that gates look at */
export function podConditions(
  facts: PodFacts,
  gates: readonly string[],
  others: readonly Condition[],
): readonly Condition[] {
  const ready = containersReady(facts)
  return [
    { type: 'PodScheduled', status: 'True' },
    { type: 'PodReadyToStartContainers', status: facts.isLinked ? 'True' : 'False' },
    initialized(facts),
    { type: 'ContainersReady', ...ready },
    { type: 'Ready', ...(ready.status === 'True' ? gatesReady(gates, others) : ready) },
  ]
}

type Verdict = Omit<Condition, 'type'>

function initialized({ end, isInitialized, initContainers }: PodFacts): Condition {
  const type = 'Initialized'
  if (end?.phase === 'Succeeded') return { type, status: 'True', reason: 'PodCompleted' }
  const missing = initContainers.filter((each) => (each.role === 'sidecar' ? !each.isStarted : !each.hasSucceeded))
  if (isInitialized || missing.length === 0) return { type, status: 'True' }
  const message = `containers with incomplete status: [${namesOf(missing)}]`
  return { type, status: 'False', reason: 'ContainersNotInitialized', message }
}

function containersReady({ end, isLeaving, reason, initContainers, containers }: PodFacts): Verdict {
  if (end?.phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' }
  if (end?.phase === 'Failed') return { status: 'False', reason: 'PodFailed' }
  const sidecars = initContainers.filter(({ role }) => role === 'sidecar')
  const unready = [...sidecars, ...containers].filter(({ isReady }) => !isReady || isLeaving)
  if (unready.length === 0) return { status: 'True' }
  const message = reason || `containers with unready status: [${namesOf(unready)}]`
  return { status: 'False', reason: 'ContainersNotReady', message }
}

function gatesReady(gates: readonly string[], others: readonly Condition[]): Verdict {
  const closed = gates.filter((gate) => others.find(({ type }) => type === gate)?.status !== 'True')
  if (closed.length === 0) return { status: 'True' }
  const message = closed.map((gate) => `the status of pod readiness gate "${gate}" is not "True"`).join('; ')
  return { status: 'False', reason: 'ReadinessGatesNotReady', message }
}

function namesOf(containers: readonly ContainerFacts[]): string {
  return containers.map(({ name }) => name).join(' ')
}
