import { isDeepStrictEqual } from 'node:util'
import type { ObjectAccess } from '../../apiserver/index.ts'
import { withCondition } from '../core/conditions.ts'
import type { Environment } from '../core/controller.ts'
import { listOf, NODES, refOf, refTo, timeText, typeOf } from '../core/kinds.ts'
import type { Condition, NodeObject } from '../core/shapes.ts'

/** A node as the runtime knows it. */
export interface NodeFacts {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly addresses: readonly string[]
  readonly podCidrs: readonly string[]
  readonly isReady: boolean
  /** In one sentence; shown in the Ready condition. */
  readonly message: string
  readonly capacity: Readonly<Record<string, string>>
  readonly nodeInfo: Readonly<Record<string, string>>
}

const MANAGER = 'kubelet'

/**
 * Writes a node's object and status. Nodes of one machine live and end with the process that writes this, so there is
 * no lease that could run out: who knows that a node is not ready says so.
 */
export async function registerNode({ access, clock }: Environment, facts: NodeFacts): Promise<void> {
  const labels = { 'kubernetes.io/hostname': facts.name, ...facts.labels }
  const spec = { podCIDR: facts.podCidrs[0] ?? '', podCIDRs: facts.podCidrs }
  const current = access.get(refOf(NODES, '', facts.name)) as NodeObject | undefined
  const node = (current ??
    (await access.create(
      { ...typeOf(NODES), metadata: { name: facts.name, labels }, spec },
      { fieldManager: MANAGER },
    ))) as NodeObject
  const kept = { ...node.metadata.labels, ...labels }
  const hasMoved =
    !isDeepStrictEqual(kept, node.metadata.labels) || !isDeepStrictEqual(spec.podCIDRs, node.spec?.podCIDRs)
  const placed = hasMoved
    ? ((await access.patch(refOf(NODES, '', facts.name), 'merge', { metadata: { labels }, spec })) as NodeObject)
    : node
  const status = {
    ...placed.status,
    conditions: readyCondition(placed.status?.conditions, facts, clock.nowMs()),
    addresses: [
      ...facts.addresses.map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: facts.name },
    ],
    capacity: facts.capacity,
    allocatable: facts.capacity,
    nodeInfo: facts.nodeInfo,
  }
  if (isDeepStrictEqual(status, placed.status)) return
  await access.patch(
    refOf(NODES, '', facts.name),
    'merge',
    { status },
    { subresource: 'status', fieldManager: MANAGER },
  )
}

/** Takes away nodes of an earlier life that this one does not have. Those that a user has made stay. */
export async function forgetNodes(
  access: ObjectAccess,
  { keep, runtime }: { readonly keep: readonly string[]; readonly runtime: string },
): Promise<void> {
  const gone = listOf(access, NODES, '').filter(
    ({ metadata, status }) => !keep.includes(metadata.name) && runtimeOf(status).startsWith(runtime),
  )
  await Promise.all(gone.map((node) => access.delete(refTo(NODES, node))))
}

function runtimeOf(status: NodeObject['status']): string {
  const info = status?.nodeInfo as Readonly<Record<string, string>> | undefined
  return info?.containerRuntimeVersion ?? ''
}

function readyCondition(
  old: readonly Condition[] | undefined,
  { isReady, message }: NodeFacts,
  nowMs: number,
): readonly Condition[] {
  const reason = isReady ? 'KubeletReady' : 'KubeletNotReady'
  const wanted = { type: 'Ready', status: isReady ? 'True' : 'False', reason, message } as const
  const lastHeartbeatTime = timeText(nowMs)
  return withCondition(old, wanted, nowMs).map((each) =>
    each.type === 'Ready' ? { ...each, lastHeartbeatTime } : each,
  )
}
