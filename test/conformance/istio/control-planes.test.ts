import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { ApiObject } from '../../../src/local/apiserver/index.ts'
import { BothControlPlanes } from '../../support/both-control-planes.ts'
import { istioProgram } from '../../support/real-istiod.ts'
import { acceptedDifferences } from './accepted-differences.ts'
import { namespace, pod, service } from './case-objects.ts'
import { cases } from './cases.ts'

const GOLDEN = join(import.meta.dirname, '../../golden')
/** Not compared: what they show is written as no API takes it, and is for folders only. */
const forFolders = ['service-app-protocols', 'service-external-name', 'service-named-port-udp']
/** Not compared: two of one age, of which istiod takes either. */
const undecided = ['mtls-oldest-wins', 'entry-host-equal-age']
/** Not compared: which automatic address a host gets is left to each. */
const allocated = [
  'entry-auto-conflict',
  'entry-auto-conflict-with-author',
  'entry-auto-held-by-other-host',
  'entry-auto-held-elsewhere',
  'entry-auto-held-in-part',
]
/** Not compared: istiod ends when a waypoint selects namespaces and it hears of who asks before it hears of their namespace. */
const ending = [
  'waypoint-cross-namespace-own-selector',
  'waypoint-cross-namespace-selector',
  'waypoint-cross-namespace-selector-expression',
]
const golden = globSync('*/in.yaml', { cwd: GOLDEN })
  .sort()
  .map(dirname)
  .filter((name) => ![...forFolders, ...undecided, ...allocated, ...ending].includes(name))
const binary = istioProgram('AMBIT_ISTIOD')
const ADDRESS = 'type.googleapis.com/istio.workload.Address'
const shop = namespace('shop', { 'istio.io/dataplane-mode': 'ambient' })

function goldenObjects(name: string): readonly ApiObject[] {
  return parseAllDocuments(readFileSync(join(GOLDEN, name, 'in.yaml'), 'utf8')).map((each) => each.toJS() as ApiObject)
}

function acceptedOf(name: string): readonly string[] {
  return acceptedDifferences.flatMap(({ of }) => of[name] ?? [])
}

describe.runIf(binary !== undefined)('istiod-lite tells tunnels what istiod tells them', () => {
  let both: BothControlPlanes
  beforeAll(async () => {
    both = await BothControlPlanes.start(binary ?? '')
  }, 90_000)
  afterEach(() => both.clear())
  afterAll(() => both?.close(), 30_000)

  async function compare(name: string, objects: readonly ApiObject[]): Promise<void> {
    for (const object of objects) await both.place.put(object)
    const accepted = acceptedOf(name)
    expect(await both.differences(accepted)).toEqual([...accepted].sort())
  }

  it('starts on our API without missing a kind or losing a watch', () => {
    const lost = both.istiod.lines.filter((line) =>
      /could not find the requested resource|failed to (list|watch)/i.test(line),
    )
    expect(lost).toEqual([])
  })

  it('differs only in cases that there are', () => {
    const known = new Set([...golden, ...Object.keys(cases)])
    const named = acceptedDifferences.flatMap(({ of }) => Object.keys(of))
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })

  it('answers our client on demand too: by the address of a pod, of a service and of nobody', async () => {
    for (const object of [shop, service('web'), pod('web-1', '10.0.1.1')]) await both.place.put(object)
    const mirror = await both.askOnDemand()
    try {
      await both.differences()
      for (const name of ['/10.0.1.1', '/10.96.0.1', '/10.99.99.99']) await mirror.client.demand(ADDRESS, name)
      // The pods of its own node come unasked.
      expect(mirror.names).toEqual([
        'Kubernetes//Pod/istio-system/ztunnel-a',
        'Kubernetes//Pod/shop/web-1',
        'shop/web.shop.svc.cluster.local',
      ])
    } finally {
      await mirror.client.close()
    }
  })

  it.each(golden)('golden case %s', (name) => compare(name, goldenObjects(name)))

  it.each(Object.keys(cases))('%s', (name) => compare(name, [shop, ...(cases[name] ?? [])]))
})
