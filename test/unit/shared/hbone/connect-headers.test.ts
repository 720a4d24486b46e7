import { describe, expect, it } from 'vitest'
import type { IpAddress } from '#shared/net'
import { type BaggageSource, formatBaggage, parseBaggage } from '../../../../src/shared/hbone/baggage.ts'
import {
  answerHeaders,
  connectHeaders,
  headerValue,
  headerValues,
} from '../../../../src/shared/hbone/connect-headers.ts'
import { formatForwarded, parseForwarded } from '../../../../src/shared/hbone/forwarded.ts'
import {
  childTraceparent,
  formatTraceparent,
  newTraceparent,
  parseTraceparent,
} from '../../../../src/shared/hbone/traceparent.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const web: BaggageSource = {
  clusterId: 'Kubernetes',
  namespace: 'shop',
  workloadType: 'deployment',
  workloadName: 'web',
  canonicalName: 'web',
  canonicalRevision: 'v1',
  locality: { region: 'eu', zone: 'eu-1', subzone: 'rack-2' },
}
const bare: BaggageSource = {
  clusterId: '',
  namespace: 'shop',
  workloadType: 'pod',
  workloadName: '',
  canonicalName: '',
  canonicalRevision: '',
  locality: { region: '', zone: '', subzone: '' },
}
const nothing = {
  cluster: undefined,
  namespace: undefined,
  workloadType: undefined,
  workloadName: undefined,
  service: undefined,
  revision: undefined,
  region: undefined,
  zone: undefined,
}
const source = { ip: '10.0.0.1' as IpAddress, port: 41_000 }

describe('the headers of a CONNECT', () => {
  it('stand in the order baggage, forwarded, traceparent', () => {
    const traceparent = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', flags: 0 }
    expect(connectHeaders({ workload: web, source, serviceHostname: 'cart.shop.svc', traceparent })).toEqual([
      [
        'baggage',
        'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=web,service.name=web,' +
          'service.version=v1,cloud.region=eu,cloud.availability_zone=eu-1',
      ],
      ['forwarded', 'for="10.0.0.1:41000";host=cart.shop.svc'],
      ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'],
    ])
  })

  it('are answered with baggage about the destination', () => {
    expect(answerHeaders(bare)).toEqual([['baggage', 'k8s.namespace.name=shop']])
  })

  it('are found by name, all or the first', () => {
    const headers = [
      ['baggage', 'a=1'],
      ['forwarded', 'x'],
      ['baggage', 'b=2'],
    ] as const
    expect(headerValues(headers, 'baggage')).toEqual(['a=1', 'b=2'])
    expect(headerValue(headers, 'baggage')).toBe('a=1')
    expect(headerValue(headers, 'via')).toBeUndefined()
  })
})

describe('baggage', () => {
  it.each([
    ['what is absent', bare, 'k8s.namespace.name=shop'],
    ['a value that would have to be escaped', { ...bare, workloadName: 'a,b' }, 'k8s.namespace.name=shop'],
    ['a value with a line end', { ...bare, canonicalName: 'a\r\nb: c' }, 'k8s.namespace.name=shop'],
    ['a value beyond ASCII', { ...bare, canonicalName: 'caf\u00e9' }, 'k8s.namespace.name=shop'],
  ])('leaves out %s', (_title, workload, value) => {
    expect(formatBaggage(workload)).toBe(value)
  })

  it('comes back as it was sent', () => {
    expect(parseBaggage([formatBaggage(web)])).toEqual({
      cluster: 'Kubernetes',
      namespace: 'shop',
      workloadType: 'deployment',
      workloadName: 'web',
      service: 'web',
      revision: 'v1',
      region: 'eu',
      zone: 'eu-1',
    })
  })

  it.each([
    ['several lines are one list', ['service.name=a', 'service.version=b'], { service: 'a', revision: 'b' }],
    ['the first of equal keys counts', ['service.name=a,service.name=b'], { service: 'a' }],
    ['an empty value is absent', ['service.name=,cloud.region=eu'], { region: 'eu' }],
    ['an unknown key is skipped', ['x=1,__proto__=2,service.name=a'], { service: 'a' }],
    ['parts without a sign are skipped', ['service.name,=x,cloud.region=eu'], { region: 'eu' }],
    ['nothing is trimmed', [' service.name=a'], {}],
    ['a value keeps further signs', ['service.name=a=b'], { service: 'a=b' }],
    ['one line beyond ASCII voids all', ['service.name=a', 'cloud.region=\u00e9'], {}],
    ['a very long header is not read', [`service.name=a,${'x=1,'.repeat(2000)}`], {}],
    ['the kind of workload is part of the key', ['k8s.job.name=j'], { workloadType: 'job', workloadName: 'j' }],
    ['no line is nothing', [], {}],
  ])('%s', (_title, lines, expected) => {
    expect(parseBaggage(lines)).toEqual({ ...nothing, ...expected })
  })
})

describe('forwarded', () => {
  it.each([
    ['an address', formatForwarded(source, undefined), 'for="10.0.0.1:41000"'],
    ['IPv6', formatForwarded({ ip: 'fd00::1' as IpAddress, port: 1 }, undefined), 'for="[fd00::1]:1"'],
    ['no host that could end the part', formatForwarded(source, 'a;host=b'), 'for="10.0.0.1:41000"'],
  ])('writes %s', (_title, actual, expected) => {
    expect(actual).toBe(expected)
  })

  it.each([
    ['both parts', 'for="10.0.0.1:41000";host=cart.shop.svc', source, 'cart.shop.svc'],
    ['spaces around parts and a quoted host', 'for="10.0.0.1:41000" ; host="cart"', source, 'cart'],
    ['only the first host', 'host=a;host=b', undefined, 'a'],
    ['no host with another case', 'Host=a', undefined, undefined],
    ['no empty host', 'host=""', undefined, undefined],
    ['no obfuscated address', 'for=_hidden;host=a', undefined, 'a'],
    ['IPv6', 'for="[fd00::1]:1"', { ip: 'fd00::1', port: 1 }, undefined],
    ['nothing beyond ASCII', 'host=caf\u00e9', undefined, undefined],
    ['nothing above 512 characters', `host=${'a'.repeat(600)}`, undefined, undefined],
    ['nothing when absent', undefined, undefined, undefined],
  ])('reads %s', (_title, value, expectedSource, host) => {
    expect(parseForwarded(value)).toEqual({ source: expectedSource, host })
  })
})

describe('traceparent', () => {
  it('is new, whole and never zero', () => {
    const clock = new FakeClock()
    clock.randomValue = 0
    const fresh = newTraceparent(clock)
    expect(formatTraceparent(fresh)).toHaveLength(55)
    expect(parseTraceparent(formatTraceparent(fresh))).toEqual(fresh)
  })

  it('keeps the trace in a child', () => {
    const clock = new FakeClock()
    const parent = newTraceparent(clock)
    clock.randomValue = 0.25
    expect(childTraceparent(parent, clock)).toEqual({ ...parent, spanId: '4000000040000000' })
  })

  it.each([
    ['a value of 55 zeros', '0'.repeat(55)],
    ['zero ids', '00-00000000000000000000000000000000-0000000000000000-00'],
    ['a zero span', '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01'],
    ['the forbidden version', 'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'],
    ['upper case', '00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-00'],
    ['a longer value', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-x'],
    ['a shorter value', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-00'],
    ['other separators', '00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_00'],
    ['nothing', ''],
    ['absence', undefined],
  ])('is not read from %s', (_title, value) => {
    expect(parseTraceparent(value)).toBeUndefined()
  })
})
