import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import type { WorkloadType } from '#shared/model'
import { type IpAddress, ipFromBytes } from '#shared/net'
import { type BaggageSource, formatBaggage, parseBaggage } from '../../src/shared/hbone/baggage.ts'
import { formatConnectTarget, parseConnectTarget } from '../../src/shared/hbone/connect-target.ts'
import { formatForwarded, parseForwarded } from '../../src/shared/hbone/forwarded.ts'
import { formatTraceparent, newTraceparent, parseTraceparent } from '../../src/shared/hbone/traceparent.ts'
import type { ConnectTarget } from '../../src/shared/hbone/types.ts'
import { FakeClock } from '../support/fake-clock.ts'

const ip = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes) => ipFromBytes(bytes) as IpAddress)
const port = fc.integer({ min: 1, max: 65_535 })
const label = fc.stringMatching(/^[a-z_](?:[a-z0-9_-]{0,20}[a-z0-9_])?$/)
const hostname = fc
  .array(label, { minLength: 1, maxLength: 5 })
  .map((labels) => labels.join('.'))
  .filter((name) => /[a-z]/.test(name))
const target: fc.Arbitrary<ConnectTarget> = fc.oneof(
  fc.record({ kind: fc.constant('address' as const), ip, port }),
  fc.record({ kind: fc.constant('hostname' as const), hostname, port }),
)
/** Text that has the parts of an authority in it, in any order. */
const almostAuthority = fc
  .array(
    fc.oneof(
      fc.constantFrom(':', '[', ']', '.', '%', '@', '0', '80', '::', 'ffff', '10.0.0.7', 'web', '\r\n', '\0'),
      fc.string({ maxLength: 4 }),
    ),
    { maxLength: 10 },
  )
  .map((parts) => parts.join(''))

describe('CONNECT targets', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(target, (one) => {
        expect(parseConnectTarget(formatConnectTarget(one))).toEqual(one)
      }),
    )
  })

  it('are read from arbitrary text only when writing them gives an equal target', () => {
    fc.assert(
      fc.property(fc.oneof(almostAuthority, fc.string({ unit: 'binary' })), (text) => {
        let read: ConnectTarget
        try {
          read = parseConnectTarget(text)
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError)
          return
        }
        expect(parseConnectTarget(formatConnectTarget(read))).toEqual(read)
        expect(read.port).toBeGreaterThan(0)
        if (read.kind === 'hostname') expect(read.hostname).toMatch(/^[a-z0-9._-]*[a-z][a-z0-9._-]*$/)
      }),
      { numRuns: 5000 },
    )
  })
})

const plain = fc.oneof(fc.constant(''), fc.stringMatching(/^[\x21-\x2b\x2d-\x7e]{1,30}$/))
const source: fc.Arbitrary<BaggageSource> = fc.record({
  clusterId: plain,
  namespace: plain,
  workloadType: fc.constantFrom<WorkloadType>('deployment', 'cronjob', 'pod', 'job'),
  workloadName: plain,
  canonicalName: plain,
  canonicalRevision: plain,
  locality: fc.record({ region: plain, zone: plain, subzone: plain }),
})

describe('baggage', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(source, (workload) => {
        const read = parseBaggage([formatBaggage(workload)])
        expect(read).toEqual({
          cluster: workload.clusterId || undefined,
          namespace: workload.namespace || undefined,
          workloadType: workload.workloadName === '' ? undefined : workload.workloadType,
          workloadName: workload.workloadName || undefined,
          service: workload.canonicalName || undefined,
          revision: workload.canonicalRevision || undefined,
          region: workload.locality.region || undefined,
          zone: workload.locality.zone || undefined,
        })
      }),
    )
  })

  it('is written without anything that could end the header or a part of it', () => {
    const wild: fc.Arbitrary<BaggageSource> = source.chain((workload) =>
      fc.string({ unit: 'binary' }).map((text) => ({ ...workload, workloadName: text, canonicalName: text })),
    )
    fc.assert(
      fc.property(wild, (workload) => {
        const value = formatBaggage(workload)
        expect(value).toMatch(/^[\x21-\x7e]*$/)
        for (const part of value === '' ? [] : value.split(',')) expect(part).toMatch(/^[a-z0-9._]+=./)
      }),
    )
  })

  it('is read from arbitrary text without a fault', () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(fc.constantFrom('service.name', '=', ',', 'k8s.pod.name', 'a', ' '), { maxLength: 30 })
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), (lines) => {
        for (const value of Object.values(parseBaggage(lines)))
          expect(value === undefined || value.length > 0).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('forwarded', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.record({ ip, port }), fc.option(hostname, { nil: undefined }), (address, host) => {
        expect(parseForwarded(formatForwarded(address, host))).toEqual({ source: address, host })
      }),
    )
  })

  it('is read from arbitrary text without a fault', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(fc.constantFrom('for=', 'host=', ';', '"', ' ', '10.0.0.1:1', '[::1]:1', 'a'), { maxLength: 12 })
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, (value) => {
        expect(parseForwarded(value).host).not.toBe('')
      }),
      { numRuns: 1000 },
    )
  })
})

describe('traceparent', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (chance) => {
        const clock = new FakeClock()
        clock.randomValue = chance
        const fresh = newTraceparent(clock)
        expect(parseTraceparent(formatTraceparent(fresh))).toEqual(fresh)
      }),
    )
  })

  it('is read from text of its length only when it is one', () => {
    const text = fc
      .array(fc.constantFrom(...'0123456789abcdefF-'), { minLength: 55, maxLength: 55 })
      .map((all) => all.join(''))
    fc.assert(
      fc.property(text, (value) => {
        const read = parseTraceparent(value)
        if (read !== undefined) expect(formatTraceparent(read).slice(2)).toBe(value.slice(2))
      }),
    )
  })
})
