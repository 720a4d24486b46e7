import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addressOf, type Mesh, meshUp } from '../../bench/topology/mesh.ts'
import { type CaFiles, makeCaFiles, secretData } from '../support/ca-material.ts'
import { requirePrivileges } from '../support/privileges.ts'

const programs = join(import.meta.dirname, 'programs')
const GET = ['node', join(programs, 'get.ts')]
const TICKS = ['node', join(programs, 'ticks.ts')]
const WORLD = { timeout: 120_000 }

const pod = (name: string, node: string, command: readonly string[]): string => `---
apiVersion: v1
kind: ServiceAccount
metadata: { name: ${name}, namespace: mesh }
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: mesh }
spec:
  serviceAccountName: ${name}
  nodeName: ${node}
  containers: [{ name: main, image: ambit/test, command: ${JSON.stringify(command)} }]
`
const objects = [
  'apiVersion: v1\nkind: Namespace\nmetadata: { name: mesh, labels: { istio.io/dataplane-mode: ambient } }\n',
  pod('client', 'node-a', ['sleep', 'infinity']),
  pod('other', 'node-b', ['sleep', 'infinity']),
  pod('near', 'node-a', ['node', join(programs, 'echo.ts'), '8080']),
  pod('far', 'node-b', ['node', join(programs, 'echo.ts'), '8080']),
].join('')

interface Ca {
  readonly origin: string
  readonly phase: string
  readonly revision: number
  readonly intermediates: number
  readonly problems: readonly string[]
  readonly roots: readonly { readonly fingerprint: string; readonly role: string }[]
}

interface Held {
  readonly identity: string
  readonly certChain: readonly { readonly serialNumber: string }[]
  readonly rootCerts: readonly { readonly serialNumber: string }[]
}

const privileged = await requirePrivileges()

describe.runIf(privileged)('a CA that is replaced under load', () => {
  let mesh: Mesh
  beforeAll(async () => {
    const env = [
      'ztunnel:SECRET_TTL=15s',
      'istiod:DEFAULT_WORKLOAD_CERT_TTL=15s',
      'istiod:AMBIT_CA_REFRESH=300ms',
      'istiod:AMBIT_CA_PROPAGATION=2s',
    ]
    mesh = await meshUp({ 'objects.yaml': objects }, { args: env.flatMap((each) => ['--env', each]) })
  })
  afterAll(() => mesh?.down())

  const ca = async (): Promise<Ca> => JSON.parse(await mesh.ambit('ca', 'status', '-o', 'json')) as Ca
  const held = async (): Promise<readonly Held[]> => {
    const dumps = ['node-a', 'node-b'].map((node) =>
      mesh.ambit('ztunnel-config', 'certificates', '-o', 'json', '--node', node),
    )
    return (await Promise.all(dumps)).flatMap((text) => JSON.parse(text) as Held[])
  }
  const serials = async (): Promise<readonly string[]> =>
    (await held()).map(({ certChain }) => certChain[0]?.serialNumber ?? '')
  const plugIn = async (files: CaFiles): Promise<void> => {
    const file = join(mesh.stateDir, '..', 'cacerts.yaml')
    const metadata = { name: 'cacerts', namespace: 'istio-system' }
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata, data: secretData(files) }))
    await mesh.ambit('apply', '-f', file)
  }

  /** New connections both ways all the time, and one that is kept; until the work is done. */
  const underLoad = async (work: () => Promise<void>): Promise<void> => {
    const status = await mesh.status()
    const urlOf = (name: string): string => `http://${addressOf(status, 'mesh', name, 4)}:8080/`
    const kept = mesh.start('mesh', 'client', [...TICKS, `${urlOf('far')}ticks`])
    await kept.line()
    let isDone = false
    let asked = 0
    const failures: unknown[] = []
    const ask = async (from: string, to: string): Promise<void> => {
      while (!isDone) {
        const lines = (await mesh.exec('mesh', from, [...GET, urlOf(to), '20'])).trim().split('\n')
        const answers = lines.map((line) => JSON.parse(line) as { readonly status?: number })
        asked += answers.length
        failures.push(...answers.filter((answer) => answer.status !== 200))
      }
    }
    const loads = [ask('client', 'far'), ask('other', 'near')]
    try {
      await work()
    } finally {
      isDone = true
    }
    await Promise.all(loads)
    await kept.end()
    const { ticks, error } = JSON.parse(await kept.line()) as { readonly ticks: number; readonly error?: string }
    expect({ failures, error }).toEqual({ failures: [], error: undefined })
    expect(asked).toBeGreaterThan(100)
    expect(ticks).toBeGreaterThan(50)
  }

  const expectReplaced = async (before: { readonly ca: Ca; readonly serials: readonly string[] }): Promise<Ca> => {
    const after = await ca()
    expect(after).toMatchObject({ phase: 'steady', problems: [] })
    expect(after.roots.map(({ role }) => role)).toEqual(['current'])
    expect(after.roots[0]?.fingerprint).not.toBe(before.ca.roots[0]?.fingerprint)
    const roots = async (): Promise<number> => Math.max(...(await held()).map(({ rootCerts }) => rootCerts.length))
    await expect.poll(roots, { timeout: 10_000 }).toBe(1)
    const old = new Set(before.serials)
    expect(
      (await serials()).filter((serial) => old.has(serial)),
      'certificates of the old CA',
    ).toEqual([])
    return after
  }

  it('changes its own root without one failed request, and forgets the old one', WORLD, async () => {
    const before = { ca: await ca(), serials: await serials() }
    expect(before.ca).toMatchObject({ origin: 'self-signed', phase: 'steady' })
    await underLoad(async () => {
      expect(await mesh.ambit('ca', 'rotate', '--wait', '--timeout', '90s')).toContain('phase steady')
    })
    await expectReplaced(before)
  })

  it('is exchanged for a plugged-in CA with intermediates without one failed request', WORLD, async () => {
    const before = { ca: await ca(), serials: await serials() }
    await underLoad(async () => {
      await plugIn(makeCaFiles({ keyKind: 'RSA-2048', between: 2 }))
      const isSteady = async (): Promise<string> => {
        const { origin, phase } = await ca()
        return `${origin} ${phase}`
      }
      await expect.poll(isSteady, { timeout: 90_000, interval: 500 }).toBe('plugged-in steady')
    })
    expect(await expectReplaced(before)).toMatchObject({ origin: 'plugged-in', intermediates: 2 })
    await expect(mesh.ambit('ca', 'rotate')).rejects.toThrow('the CA is plugged in: put another one into the Secret')
  })
})
