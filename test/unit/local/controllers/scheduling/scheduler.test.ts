import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runController } from '../../../../../src/local/controllers/core/controller.ts'
import type { NodeObject, Pod } from '../../../../../src/local/controllers/core/shapes.ts'
import { chooseNode } from '../../../../../src/local/controllers/scheduling/choose-node.ts'
import { lostPods } from '../../../../../src/local/controllers/scheduling/lost-pods.ts'
import { type NodeFacts, registerNode } from '../../../../../src/local/controllers/scheduling/node-registrar.ts'
import { scheduler } from '../../../../../src/local/controllers/scheduling/scheduler.ts'
import { FakeClock } from '../../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../../support/memory-access.ts'
import { quietLogger } from '../../../../support/quiet-logger.ts'

function node(name: string, spec: NodeObject['spec'] = {}, labels = {}, ready = 'True'): NodeObject {
  const conditions = [{ type: 'Ready', status: ready as 'True' }]
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec, status: { conditions } }
}

function pod(spec: Partial<Pod['spec']> = {}, owner = 'rs', name = 'p'): Pod {
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true }]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', ownerReferences },
    spec: { containers: [], ...spec },
  }
}

const onNode = (nodeName: string, owner: string): Pod => pod({ nodeName }, owner)
const affinity = (key: string, operator: 'In' | 'Gt', values: string[]): NonNullable<Pod['spec']['affinity']> => ({
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }],
    },
  },
})

describe('the choice of a node', () => {
  const tainted = { taints: [{ key: 'only', value: 'batch', effect: 'NoSchedule' }] }

  it.each([
    { says: 'the first by name when all are equal', wanted: pod(), nodes: [node('b'), node('a')], pods: [], has: 'a' },
    {
      says: 'the one with fewer pods',
      wanted: pod(),
      nodes: [node('a'), node('b')],
      pods: [onNode('a', 'x')],
      has: 'b',
    },
    {
      says: 'the one without siblings, though it has more pods',
      wanted: pod(),
      nodes: [node('a'), node('b')],
      pods: [onNode('a', 'rs'), onNode('b', 'x'), onNode('b', 'x')],
      has: 'b',
    },
    {
      says: 'what its selector names',
      wanted: pod({ nodeSelector: { disk: 'fast' } }),
      nodes: [node('a'), node('b', {}, { disk: 'fast' })],
      pods: [],
      has: 'b',
    },
    {
      says: 'what its affinity requires',
      wanted: pod({ affinity: affinity('cores', 'Gt', ['4']) }),
      nodes: [node('a', {}, { cores: '4' }), node('b', {}, { cores: '16' })],
      pods: [],
      has: 'b',
    },
    {
      says: 'a tainted node that it tolerates',
      wanted: pod({ tolerations: [{ key: 'only', operator: 'Exists' }] }),
      nodes: [node('a', tainted)],
      pods: [],
      has: 'a',
    },
  ])('is $says', ({ wanted, nodes, pods, has }) => {
    expect(chooseNode(wanted, nodes, pods)).toEqual({ kind: 'node', name: has })
  })

  it.each([
    { nodes: [], says: '0/0 nodes are available.' },
    { nodes: [node('a', {}, {}, 'False')], says: '0/1 nodes are available: 1 node(s) were not ready.' },
    {
      nodes: [node('a', { unschedulable: true }), node('b', tainted)],
      says: '0/2 nodes are available: 1 node(s) were unschedulable, 1 node(s) had untolerated taint {only: batch}.',
    },
  ])('tells $says', ({ nodes, says }) => {
    expect(chooseNode(pod(), nodes, [])).toEqual({ kind: 'none', message: says })
  })
})

describe('the scheduler', () => {
  const facts: NodeFacts = {
    name: 'a',
    labels: {},
    addresses: [],
    podCidrs: ['10.244.1.0/24'],
    isReady: true,
    message: 'runs',
    capacity: {},
    nodeInfo: {},
  }
  let clock: FakeClock
  let access: MemoryAccess
  let running: { close(): Promise<void> }[]
  const environment = () => ({ access, clock, logger: quietLogger })
  const start = (...controllers: Parameters<typeof runController>[0][]): void => {
    running = controllers.map((each) => runController(each, environment()))
  }
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await clock.advance(1)
  }
  const places = (): unknown =>
    access.list({ group: '', resource: 'pods', namespace: '' }).items.map((each) => (each as Pod).spec.nodeName ?? '-')

  beforeEach(() => {
    clock = new FakeClock()
    access = new MemoryAccess(clock)
  })
  afterEach(() => Promise.all(running.map((each) => each.close())))

  it('spreads pods that come at the same time', async () => {
    await registerNode(environment(), facts)
    await registerNode(environment(), { ...facts, name: 'b' })
    start(scheduler(environment()))
    await Promise.all(['1', '2', '3', '4'].map((name) => access.create(pod({}, 'rs', name))))
    await settle()
    expect((places() as string[]).sort()).toEqual(['a', 'a', 'b', 'b'])
  })

  it('leaves alone what others schedule, and what is gated', async () => {
    await registerNode(environment(), facts)
    start(scheduler(environment()))
    await access.create(pod({ schedulerName: 'mine' }, 'rs', '1'))
    await access.create(pod({ schedulingGates: [{ name: 'wait' }] }, 'rs', '2'))
    await settle()
    expect(places()).toEqual(['-', '-'])
  })

  it('places what waited when a node becomes ready', async () => {
    await registerNode(environment(), { ...facts, isReady: false })
    start(scheduler(environment()))
    await access.create(pod())
    await settle()
    expect(places()).toEqual(['-'])
    await registerNode(environment(), facts)
    await settle()
    expect(places()).toEqual(['a'])
  })

  it('writes a node once, and its status only when it changes', async () => {
    start()
    await registerNode(environment(), facts)
    const before = access.writes.length
    await registerNode(environment(), facts)
    expect(access.writes.length).toBe(before)
  })

  it('says of a node when it was last heard of, and since when it is ready', async () => {
    await registerNode(environment(), facts)
    const { status } = access.get({ group: '', resource: 'nodes', namespace: '', name: facts.name }) as NodeObject
    const now = new Date(clock.nowMs()).toISOString().replace(/\.\d+Z$/, 'Z')
    expect(status?.conditions).toMatchObject([{ type: 'Ready', lastHeartbeatTime: now, lastTransitionTime: now }])
  })

  it('deletes pods of a node that is gone, and no others', async () => {
    await registerNode(environment(), facts)
    await registerNode(environment(), { ...facts, name: 'b' })
    start(lostPods(environment()))
    await access.create(pod({ nodeName: 'a' }, 'rs', '1'))
    await access.create(pod({ nodeName: 'b' }, 'rs', '2'))
    await access.delete({ group: '', resource: 'nodes', namespace: '', name: 'a' })
    await settle()
    expect(places()).toEqual(['b'])
  })
})
