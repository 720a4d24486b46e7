import { describe, expect, it } from 'vitest'
import { codes, type ErrorCode, MeshError } from '#shared/errors'
import { Attempt, hasAlternatives, isAlternative, maybeElsewhere } from '../../../../src/ztunnel/outbound/attempt.ts'
import type { SettledPlan } from '../../../../src/ztunnel/outbound/types.ts'
import { identity, meshOf, service, socket, workload } from '../../../support/mesh-builder.ts'

describe('trying another endpoint', () => {
  const tried: readonly ErrorCode[] = [
    'UPSTREAM_CONNECT_FAILED',
    'UPSTREAM_CONNECT_TIMEOUT',
    'TUNNEL_HANDSHAKE_FAILED',
    'TUNNEL_HANDSHAKE_TIMEOUT',
    'TUNNEL_LOST',
    'PEER_UNVERIFIED',
  ]

  it('is done only when nothing can have reached an application', () => {
    const all = Object.keys(codes) as ErrorCode[]
    expect(all.filter((code) => maybeElsewhere(new MeshError(code, 'why'))).sort()).toEqual([...tried].sort())
    expect(maybeElsewhere(new Error('a bug'))).toBe(false)
  })

  const web = service({ name: 'web' })
  const endpoint = (name: string): ReturnType<typeof workload> =>
    workload({ name, addresses: ['10.0.2.1'], services: { 'default/web.default.svc.cluster.local': {} } })

  it('needs a service that has another one', () => {
    const hop = { hopService: web }
    expect(hasAlternatives(meshOf([web, endpoint('a'), endpoint('b')]), hop)).toBe(true)
    expect(hasAlternatives(meshOf([web, endpoint('a')]), hop)).toBe(false)
    expect(hasAlternatives(meshOf([]), { hopService: undefined })).toBe(false)
  })

  const planTo = (name: string | undefined): SettledPlan => ({
    kind: 'passthrough',
    target: socket('10.0.2.1:80'),
    destination: { service: web, servicePort: 80, workload: name === undefined ? undefined : endpoint(name) },
    hopService: web,
  })
  it.each<[string, SettledPlan, boolean]>([
    ['another endpoint', planTo('b'), true],
    ['the one that failed', planTo('a'), false],
    ['the original address, past the mesh', planTo(undefined), false],
    ['a refusal', { kind: 'refuse', reason: 'no healthy upstream' }, false],
    [
      'a tunnel to another one',
      {
        kind: 'tunnel',
        hop: 'endpoint',
        peer: socket('10.0.2.1:15008'),
        acceptedPeers: [identity('default/default')],
        authority: { kind: 'address', ...socket('10.0.2.1:80') },
        destination: { service: web, servicePort: 80, workload: endpoint('c') },
        hopService: web,
      },
      true,
    ],
  ])('may lead to %s or not', (_, planned, expected) => {
    expect(isAlternative(planned, new Set(['Kubernetes//Pod/default/a']))).toBe(expected)
  })

  it('ends when its pod does, for the first reason', () => {
    const attempt = new Attempt()
    let told = 0
    attempt.onCancelled = () => told++
    expect(attempt.isCancelled).toBe(false)
    attempt.cut('pod-removed')
    attempt.cut('drain')
    expect([attempt.isCancelled, attempt.cutBy, told > 0]).toEqual([true, 'pod-removed', true])
  })
})
