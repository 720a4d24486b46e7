import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { SecureContext } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { applyLocalConfig, parseLocalConfig } from '#shared/mesh-state'
import type { CertificateFacts, WorkloadCertificate } from '#shared/pki'
import { configDump, type DumpSources } from '../../../../src/ztunnel/admin/index.ts'
import { ConnectionTable } from '../../../../src/ztunnel/connections/index.ts'
import { identity, meshOf, socket, workload } from '../../../support/mesh-builder.ts'

const GOLDEN = resolve(import.meta.dirname, '../../../golden/ztunnel/config-dump')
const WEB = 'Kubernetes//Pod/shop/web-1'

function facts(pem: string, serialNumber: string): CertificateFacts {
  return { pem, serialNumber, notBeforeMs: 1_700_000_000_999, notAfterMs: 1_700_086_400_000 }
}

const certificate: WorkloadCertificate = {
  id: identity('shop/web'),
  leaf: facts('leaf', '340282366920938463463374607431768211455'),
  chain: [facts('leaf', '340282366920938463463374607431768211455'), facts('intermediate', '2')],
  roots: [facts('root', '1')],
  trust: { rootsPem: ['root'] },
  renewAtMs: 0,
  secureContext: {} as SecureContext, // a dump never looks at it
}

function table(): ConnectionTable {
  const connections = new ConnectionTable()
  const inbound = { source: socket('10.0.1.1:40000'), destination: socket('10.0.2.1:8080') }
  const to = workload({ name: 'web-1' })
  const proven = { ...inbound, peer: identity('shop/client') }
  const plain = { ...inbound, source: socket('10.7.0.1:50000'), peer: undefined }
  for (const [about, protocol, host] of [
    [proven, 'HBONE', 'web.shop.svc.cluster.local'],
    [plain, 'TCP', undefined],
  ] as const) {
    connections.add(
      {
        direction: 'inbound',
        podUid: 'pod-1',
        source: about.source,
        originalDestination: host,
        actualDestination: about.destination,
        protocol,
        peer: about.peer,
        facts: about,
        workload: to,
      },
      () => {},
    )
  }
  connections.add(
    {
      direction: 'outbound',
      podUid: 'pod-1',
      source: socket('[fd00::2:1]:33000'),
      originalDestination: socket('[fd99::1]:80'),
      actualDestination: socket('[fd00::3:1]:15008'),
      protocol: 'HBONE',
      peer: identity('shop/cart'),
    },
    () => {},
  )
  return connections
}

function sources(): DumpSources {
  const staticConfig = parseLocalConfig(readFileSync(join(GOLDEN, 'in.yaml'), 'utf8'), 'in.yaml')
  const view = meshOf([])
  applyLocalConfig(view, staticConfig)
  return {
    view,
    staticConfig,
    certificates: () => [
      { identity: identity('shop/web'), state: 'Available', certificate },
      { identity: identity('shop/late'), state: 'Initializing', certificate: undefined },
      { identity: identity('shop/gone'), state: 'Unavailable: the authority refused', certificate: undefined },
    ],
    pods: () => [
      { uid: 'pod-2', info: { name: 'late', namespace: 'shop', serviceAccount: 'late' }, state: 'Pending' },
      { uid: 'pod-1', info: { name: 'web-1', namespace: 'shop', serviceAccount: 'web' }, state: 'Up' },
    ],
    connections: table(),
    denials: () => [
      {
        atMs: 1_700_000_000_123,
        workload: WEB,
        facts: { peer: identity('shop/bob'), source: socket('10.0.1.9:4'), destination: socket('10.0.2.1:8080') },
        when: 'start',
        reason: 'connection closed due to policy rejection: explicitly denied by: shop/no-bob',
        deniedBy: { policy: 'shop/no-bob', rule: 2 },
      },
      {
        atMs: 1_700_000_001_000,
        workload: WEB,
        facts: { peer: undefined, source: socket('[fd00::9]:4'), destination: socket('[fd00::2:1]:8080') },
        when: 'change',
        reason: 'connection closed due to policy rejection: allow policies exist, but none allowed',
        deniedBy: undefined,
      },
    ],
    version: {
      version: '0.1.0',
      gitRevision: 'unknown',
      rustVersion: 'none',
      buildProfile: 'release',
      buildStatus: 'Clean',
      istioVersion: 'unknown',
      cryptoProvider: 'node',
    },
    config: { network: '', nodeName: 'node-a' },
  }
}

describe('the config dump', () => {
  it('is the recorded one, whole', () => {
    const dump = configDump(sources())
    const recorded = join(GOLDEN, 'out.json')
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(recorded, dump)
    expect(dump).toBe(readFileSync(recorded, 'utf8'))
  })

  it('shows everything of the mesh by key, whatever came first', () => {
    const names = ['c', 'a', 'b']
    const dump = JSON.parse(configDump({ ...sources(), view: meshOf(names.map((name) => workload({ name }))) }))
    expect(dump.workloads.map(({ name }: { name: string }) => name)).toEqual(['a', 'b', 'c'])
  })

  it('does not show a pod’s connections while it is pending', () => {
    expect(JSON.parse(configDump(sources())).workloadState['pod-2']).not.toHaveProperty('connections')
  })

  it('shows endpoints that wait for their service', () => {
    const view = meshOf([workload({ name: 'web-1', uid: WEB, services: { 'shop/none.example': { 80: 8080 } } })])
    expect(JSON.parse(configDump({ ...sources(), view })).stagedServices).toEqual({
      'shop/none.example': { [WEB]: { workloadUid: WEB, port: { 80: 8080 }, status: 'Healthy' } },
    })
  })
})
