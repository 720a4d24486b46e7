import { describe, expect, it } from 'vitest'
import { DEFAULT_TRAFFIC_POLICY, type LocalityPreference, type OutlierDetection } from '#shared/l7'
import type { LoadBalancer, LoadBalancingScope, Workload } from '#shared/model'
import { groupBy, isWithin, placementOf } from '../../../../src/waypoint/balance/placement.ts'
import { service, workload } from '../../../support/mesh-builder.ts'
import { OUTLIERS } from '../../../support/outlier-policies.ts'

/** `region/zone/subzone`, with a node of the zone's name. */
function at(place: string, name = place): Workload {
  const [region = '', zone = '', subzone = ''] = place.split('/')
  return workload({ name, node: zone, locality: { region, zone, subzone } })
}

const home = at('r1/z1/s1', 'home')
const everywhere = ['r1/z1/s1', 'r1/z1/s2', 'r1/z2/s1', 'r2/z1/s1', 'r3/z1/s1'].map((place) => at(place))

interface Case {
  readonly locality: LocalityPreference
  readonly loadBalancer?: LoadBalancer
  readonly outliers?: OutlierDetection
  readonly self?: Workload | undefined
  readonly labels?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** Names in each group, with the share in front when groups share. */
function groups(input: Case, members: readonly Workload[] = everywhere): readonly string[] {
  const placement = placementOf({
    service: service({ name: 'web', loadBalancer: input.loadBalancer }),
    policy: { ...DEFAULT_TRAFFIC_POLICY, locality: input.locality, outliers: input.outliers },
    self: 'self' in input ? input.self : home,
    labelsOf: (uid) => input.labels?.[uid.slice(uid.indexOf('default/') + 8)] ?? {},
  })
  const items = members.map((one) => ({ workload: one }))
  return groupBy(items, placement).map(({ items: found, weight }) => {
    const names = found.map((one) => one.workload.name).join(' ')
    return placement.kind === 'shared' ? `${weight}: ${names}` : names
  })
}

function preferring(mode: LoadBalancer['mode'], ...routingPreferences: readonly LoadBalancingScope[]): LoadBalancer {
  return { mode, routingPreferences, healthPolicy: 'OnlyHealthy' }
}

const all = 'r1/z1/s1 r1/z1/s2 r1/z2/s1 r2/z1/s1 r3/z1/s1'
const failover = (...regions: readonly { from: string; to: string }[]): LocalityPreference => ({
  kind: 'failover',
  regions,
})
const distribute = (from: string, to: Readonly<Record<string, number>>): LocalityPreference => ({
  kind: 'distribute',
  rules: [{ from, to: Object.entries(to).map(([locality, weight]) => ({ locality, weight })) }],
})

describe('groups by locality', () => {
  it.each<[string, Case, readonly string[]]>([
    ['all are equal when locality is off', { locality: { kind: 'off' } }, [all]],
    ['all are equal when the service has no preference', { locality: { kind: 'service' } }, [all]],
    [
      "the service's own preference ranks by leading matches",
      { locality: { kind: 'service' }, loadBalancer: preferring('Failover', 'Region', 'Zone') },
      ['r1/z1/s1 r1/z1/s2', 'r1/z2/s1', 'r2/z1/s1 r3/z1/s1'],
    ],
    [
      'a strict service drops those that do not match',
      { locality: { kind: 'service' }, loadBalancer: preferring('Strict', 'Region', 'Zone') },
      ['r1/z1/s1 r1/z1/s2'],
    ],
    [
      "a rule that is off wins over the service's preference",
      { locality: { kind: 'off' }, loadBalancer: preferring('Strict', 'Zone') },
      [all],
    ],
    ['failover does nothing without outlier detection', { locality: failover() }, [all]],
    [
      'failover goes from near to far',
      { locality: failover(), outliers: OUTLIERS },
      ['r1/z1/s1', 'r1/z1/s2', 'r1/z2/s1', 'r2/z1/s1 r3/z1/s1'],
    ],
    [
      'failover goes to the named region first',
      { locality: failover({ from: 'r1', to: 'r3' }), outliers: OUTLIERS },
      ['r1/z1/s1', 'r1/z1/s2', 'r1/z2/s1', 'r3/z1/s1', 'r2/z1/s1'],
    ],
    [
      'all are equal until it is known where we are',
      { locality: failover(), outliers: OUTLIERS, self: undefined },
      [all],
    ],
    [
      'shares go to the named places, others get nothing',
      { locality: distribute('r1/z1/*', { 'r1/z1/*': 70, 'r1/z2/*': 30 }) },
      ['70: r1/z1/s1 r1/z1/s2', '30: r1/z2/s1'],
    ],
    ['shares for another place do not concern us', { locality: distribute('r9/*', { 'r1/*': 100 }) }, [all]],
    [
      'priorities by labels that we have in common',
      {
        locality: { kind: 'priority', labels: ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'] },
        outliers: OUTLIERS,
      },
      ['r1/z1/s1 r1/z1/s2', 'r1/z2/s1', 'r2/z1/s1 r3/z1/s1'],
    ],
    [
      'priorities by a label that has that value',
      {
        locality: { kind: 'priority', labels: ['tier=hot'] },
        outliers: OUTLIERS,
        labels: { 'r3/z1/s1': { tier: 'hot' }, home: { tier: 'cold' }, 'r1/z1/s1': { tier: 'cold' } },
      },
      ['r3/z1/s1', 'r1/z1/s1 r1/z1/s2 r1/z2/s1 r2/z1/s1'],
    ],
    [
      'priorities do nothing without outlier detection',
      { locality: { kind: 'priority', labels: ['tier=hot'] }, labels: { 'r3/z1/s1': { tier: 'hot' } } },
      [all],
    ],
  ])('%s', (_, input, expected) => {
    expect(groups(input)).toEqual(expected)
  })
})

describe('whether a locality lies in a place', () => {
  it.each<[string, boolean]>([
    ['r1/z1/s1', true],
    ['r1/z1', true],
    ['r1', true],
    ['*', true],
    ['r1/*', true],
    ['*/z1', true],
    ['r1/z1/s2', false],
    ['r1/z2', false],
    ['r', false],
  ])('%s: %s', (place, expected) => {
    expect(isWithin(home.locality, place)).toBe(expected)
  })
})
