import { describe, expect, it } from 'vitest'
import { type AuthorizationPolicy, meshKinds, readApiObject, type TargetRef } from '#shared/k8s'
import {
  type TargetFacts,
  type TargetState,
  targetShortfalls,
  targetState,
  waypointAccepted,
} from '../../../../src/istiod-lite/mesh/policy-targets.ts'
import { UNBOUND, type WaypointBinding } from '../../../../src/istiod-lite/mesh/waypoint-binding.ts'

const bound: WaypointBinding = { ...UNBOUND, waypoints: ['shop/waypoint', 'shop/canary'] }
const denied: WaypointBinding = {
  ...UNBOUND,
  condition: { type: 'istio.io/WaypointBound', status: 'False', reason: 'AttachmentDenied', message: 'no' },
}

/** Names say what they are: `bound`, `denied` and `plain` services, `used`, `unused` and `unready` Gateways. */
const facts: TargetFacts = {
  rootNamespace: 'istio-system',
  has: (kind, key) =>
    (kind === 'Gateway'
      ? ['shop/used', 'shop/unused', 'shop/unready']
      : ['shop/bound', 'shop/denied', 'shop/plain']
    ).includes(key),
  bindingOf: (_kind, key) => (key === 'shop/bound' ? bound : key === 'shop/denied' ? denied : undefined),
  isWaypointReady: (key) => key !== 'shop/unready',
  isWaypointUsed: (key) => key === 'shop/used',
  controllerOf: (name) =>
    ({ istio: 'istio.io/mesh-controller', ambit: 'ambit.dev/mesh-controller', edge: 'example.com/edge' })[name],
}
const GATEWAY_GROUP = 'gateway.networking.k8s.io'
const ref = (kind: string, name: string, group = '', namespace = ''): TargetRef => ({ group, kind, name, namespace })
const gateway = (name: string): TargetRef => ref('Gateway', name, GATEWAY_GROUP)
const gatewayClass = (name: string): TargetRef => ref('GatewayClass', name, GATEWAY_GROUP)

const BOUND: TargetState = { kind: 'bound', waypoint: 'shop/waypoint', isUsed: true }

describe('a target', () => {
  it.each<[string, TargetRef, TargetState]>([
    ['a service with waypoints is bound to the first', ref('Service', 'bound'), BOUND],
    ['the group core is the group of services', ref('Service', 'bound', 'core'), BOUND],
    ['its own namespace may be named', ref('Service', 'bound', '', 'shop'), BOUND],
    ['an entry is bound like a service', ref('ServiceEntry', 'bound', 'networking.istio.io'), BOUND],
    [
      'a service that is not there',
      ref('Service', 'no'),
      { kind: 'not-found', problem: 'Service shop/no was not found' },
    ],
    [
      'a service that asks for no waypoint',
      ref('Service', 'plain'),
      { kind: 'no-waypoint', problem: 'Service shop/plain is not bound to a waypoint' },
    ],
    [
      'a service whose waypoint cannot be used',
      ref('Service', 'denied'),
      { kind: 'not-ready', problem: 'Service shop/denied is not bound to a waypoint (AttachmentDenied)' },
    ],
    ['a Gateway that serves somebody', gateway('used'), { kind: 'bound', waypoint: 'shop/used', isUsed: true }],
    ['a Gateway that serves nobody', gateway('unused'), { kind: 'bound', waypoint: 'shop/unused', isUsed: false }],
    ['a Gateway that is not there', gateway('no'), { kind: 'not-found', problem: 'Gateway shop/no was not found' }],
    [
      'a Gateway that is not ready',
      gateway('unready'),
      { kind: 'not-ready', problem: 'Gateway shop/unready is not ready' },
    ],
    [
      'a service of another namespace',
      ref('Service', 'bound', '', 'bank'),
      { kind: 'invalid', problem: 'Service bank/bound is of another namespace' },
    ],
    [
      'a kind that no waypoint knows',
      ref('Pod', 'web'),
      { kind: 'invalid', problem: 'Pod of core is no target of policies' },
    ],
    [
      'a kind of the wrong group',
      ref('Service', 'bound', 'networking.istio.io'),
      { kind: 'invalid', problem: 'Service of networking.istio.io is no target of policies' },
    ],
    [
      'a Gateway without its group',
      ref('Gateway', 'used'),
      { kind: 'invalid', problem: 'Gateway of core is no target of policies' },
    ],
    [
      'a kind that every record has',
      ref('toString', 'x'),
      { kind: 'invalid', problem: 'toString of core is no target of policies' },
    ],
    [
      'a class outside of the root namespace',
      gatewayClass('istio'),
      { kind: 'invalid', problem: 'a policy for a GatewayClass must be in namespace istio-system' },
    ],
  ])('%s', (_what, target, expected) => {
    expect(targetState(target, 'shop', facts)).toEqual(expected)
  })

  it.each<[string, string, TargetState]>([
    ['Istio’s class of waypoints is bound', 'istio', { kind: 'bound', waypoint: 'istio', isUsed: true }],
    ['Ambit’s class of waypoints is bound', 'ambit', { kind: 'bound', waypoint: 'ambit', isUsed: true }],
    ['a class that is not there', 'no', { kind: 'not-found', problem: 'GatewayClass no was not found' }],
    [
      'a class of another controller',
      'edge',
      { kind: 'invalid', problem: 'GatewayClass edge is of example.com/edge, which makes no waypoints' },
    ],
  ])('in the root namespace: %s', (_what, name, expected) => {
    expect(targetState(gatewayClass(name), 'istio-system', facts)).toEqual(expected)
  })
})

const policyOf = (refs: readonly TargetRef[]): AuthorizationPolicy => {
  const reader = meshKinds.find(({ kind }) => kind === 'AuthorizationPolicy')
  if (reader === undefined) return expect.fail('nobody reads policies')
  const read = readApiObject({ metadata: { name: 'p', namespace: 'shop' }, spec: { targetRefs: refs } }, reader)
  return read.kind === 'read' ? (read.object as AuthorizationPolicy) : expect.fail(JSON.stringify(read.problems))
}

describe('the condition of a policy', () => {
  it.each<[string, readonly TargetRef[], string]>([
    ['one target that is bound', [ref('Service', 'bound')], 'True Accepted: bound to shop/waypoint'],
    ['one that is not there', [gateway('no')], 'False TargetNotFound: Gateway shop/no was not found'],
    [
      'one that asks for no waypoint',
      [ref('Service', 'plain')],
      'False AncestorNotBound: Service shop/plain is not bound to a waypoint',
    ],
    ['one that is not ready', [gateway('unready')], 'False AncestorNotBound: Gateway shop/unready is not ready'],
    ['one that is none', [ref('Pod', 'web')], 'False Invalid: Pod of core is no target of policies'],
    [
      'several of one waypoint name it once',
      [ref('Service', 'bound'), ref('ServiceEntry', 'bound', 'networking.istio.io'), gateway('used')],
      'True Accepted: bound to shop/waypoint, shop/used',
    ],
    [
      'several of which some are bound',
      [gateway('no'), ref('Service', 'bound'), ref('Service', 'plain')],
      `True PartiallyInvalid: bound to shop/waypoint. Invalid targetRefs: Gateway.${GATEWAY_GROUP}:shop/no, Service.core:shop/plain`,
    ],
    [
      'several of which none is bound',
      [gateway('no'), ref('Service', 'plain')],
      `False Invalid: Invalid targetRefs: Gateway.${GATEWAY_GROUP}:shop/no, Service.core:shop/plain`,
    ],
  ])('%s', (_what, refs, expected) => {
    const policy = policyOf(refs)
    const condition = waypointAccepted(
      policy,
      refs.map((each) => targetState(each, 'shop', facts)),
    )
    expect(condition.type).toBe('WaypointAccepted')
    expect(`${condition.status} ${condition.reason}: ${condition.message}`).toBe(expected)
  })
})

describe('what is not enforced', () => {
  it.each<[TargetState, readonly string[]]>([
    [BOUND, []],
    [
      { kind: 'bound', waypoint: 'shop/w', isUsed: false },
      ['WaypointUnused: No service or workload goes through waypoint shop/w.'],
    ],
    [{ kind: 'not-found', problem: 'P' }, ['TargetNotFound: P: nothing is enforced for it.']],
    [{ kind: 'no-waypoint', problem: 'P' }, ['WaypointMissing: P: nothing is enforced for it.']],
    [{ kind: 'not-ready', problem: 'P' }, ['WaypointNotReady: P: nothing is enforced for it.']],
    [{ kind: 'invalid', problem: 'P' }, ['TargetInvalid: P: nothing is enforced for it.']],
  ])('of a target %o', (state, expected) => {
    expect(targetShortfalls([state]).map(({ reason, message }) => `${reason}: ${message}`)).toEqual(expected)
  })

  it('is told for each target, whatever holds for the others', () => {
    const states: readonly TargetState[] = [
      { kind: 'invalid', problem: 'A' },
      BOUND,
      { kind: 'not-found', problem: 'B' },
    ]
    expect(targetShortfalls(states).map(({ reason }) => reason)).toEqual(['TargetInvalid', 'TargetNotFound'])
  })
})
