import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { type KubeObject, meshConfigKind, meshKinds, readObjects } from '#shared/k8s'
import { objectsOf } from '../../../support/object-texts.ts'
import { arrive, type Way, waysOf } from '../../../support/object-ways.ts'
import { Configured, type Told } from '../../../support/waypoint-configuration.ts'

interface Written {
  readonly kind: string
  readonly metadata: Readonly<Record<string, unknown>>
}

const root = join(import.meta.dirname, '../../../golden/waypoint-configuration')
const textOf = (object: object): string => `${JSON.stringify(object)}\n`
const isReadable = (object: Written): boolean =>
  readObjects(textOf(object), 'case', [...meshKinds, meshConfigKind]).problems.length === 0
const writtenIn = (file: string): readonly Written[] =>
  parseAllDocuments(readFileSync(join(root, file), 'utf8'))
    .map((document) => document.toJS() as Written)
    .filter(isReadable)

const world = writtenIn('base.yaml')
/** Every object of every golden case: each way to write a route, a rule, a policy, a limit that is known here. */
const pool = globSync('*/in.yaml', { cwd: root }).sort().flatMap(writtenIn)
/** These are named by others. */
const KEEPS_NAME: ReadonlySet<string> = new Set(['Namespace', 'Gateway', 'Service', 'ServiceEntry', 'Pod'])

/** Of a few names and ages, so that they meet, replace and outrank each other. */
const configTexts = fc
  .tuple(
    fc.constantFrom(...pool),
    fc.constantFrom('a', 'b', 'c'),
    fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
  )
  .map(([object, name, creationTimestamp]) => {
    const named = KEEPS_NAME.has(object.kind) ? {} : { name }
    return textOf({ ...object, metadata: { ...object.metadata, ...named, creationTimestamp } })
  })
const worldTexts = fc.constantFrom(...world).map(textOf)
/** Often the world is whole; what is missing of it is missing for good. */
const states = fc
  .tuple(fc.subarray(world.map(textOf), { minLength: world.length - 2 }), fc.array(configTexts, { maxLength: 24 }))
  .map((parts) => parts.flat())
const ways = waysOf(fc.oneof({ weight: 4, arbitrary: configTexts }, { weight: 1, arbitrary: worldTexts }))

function fresh(objects: readonly KubeObject[]): Told {
  const configured = new Configured()
  configured.table.replaceAll(objects)
  return configured.told()
}

function arrived(objects: readonly KubeObject[], way: Way): Told {
  const configured = new Configured()
  arrive(configured, objects, way)
  return configured.told()
}

describe('what waypoints are told', () => {
  it('has objects of every kind to choose from', () => {
    expect([...new Set(pool.map(({ kind }) => kind))].sort()).toEqual([
      'AuthorizationPolicy',
      'DestinationRule',
      'GRPCRoute',
      'HTTPRoute',
      'Pod',
      'RateLimit',
      'ReferenceGrant',
      'RequestAuthentication',
      'Service',
      'ServiceEntry',
      'TCPRoute',
      'TLSRoute',
      'Telemetry',
      'VirtualService',
    ])
  })

  it('is the same, whatever came first and whatever was there and went on the way', () => {
    fc.assert(
      fc.property(states, ways, ways, (texts, one, other) => {
        const objects = objectsOf(texts)
        const wanted = fresh(objects)
        expect(arrived(objects, one)).toEqual(wanted)
        expect(arrived(objects, other)).toEqual(wanted)
      }),
      { numRuns: 60 },
    )
  }, 30_000)
})
