import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Closer } from '#shared/lifecycle'
import type {
  ApiObject,
  OwnerReference,
  RegistryChange,
  ResourceDefinition,
  ResourceRegistry,
} from '../../../../../src/local/apiserver/index.ts'
import { runController } from '../../../../../src/local/controllers/core/controller.ts'
import { accountTokens } from '../../../../../src/local/controllers/namespaces/account-tokens.ts'
import { collectGarbage } from '../../../../../src/local/controllers/namespaces/garbage-collector.ts'
import { endNamespaces } from '../../../../../src/local/controllers/namespaces/namespace-end.ts'
import { FakeClock } from '../../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../../support/memory-access.ts'
import { quietLogger } from '../../../../support/quiet-logger.ts'

/** What the collector asks of a registry. */
class KnownKinds {
  readonly kinds: ResourceDefinition[] = []
  readonly #listeners = new Set<(change: RegistryChange) => void>()

  add(kind: string, plural: string, isNamespaced = true): void {
    const definition = { group: '', kind, plural, isNamespaced, verbs: ['delete'] } as unknown as ResourceDefinition
    this.kinds.push(definition)
    for (const listener of this.#listeners) listener({ kind: 'put', definition })
  }
  definitions = (): readonly ResourceDefinition[] => this.kinds
  findKind = (_group: string, kind: string): ResourceDefinition | undefined =>
    this.kinds.find((each) => each.kind === kind)
  onChange = (listener: (change: RegistryChange) => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

describe('owners, dependents and namespaces', () => {
  let clock: FakeClock
  let access: MemoryAccess
  let registry: KnownKinds
  let running: Closer[]

  beforeEach(() => {
    clock = new FakeClock()
    access = new MemoryAccess(clock)
    registry = new KnownKinds()
    registry.add('Namespace', 'namespaces', false)
    registry.add('ConfigMap', 'configmaps')
    registry.add('Secret', 'secrets')
    const environment = { access, clock, logger: quietLogger }
    const known = registry as unknown as ResourceRegistry
    running = [collectGarbage(environment, known), endNamespaces(environment, known)]
  })
  afterEach(() => Promise.all(running.map((each) => each.close())))

  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 30; turn++) await clock.advance(1)
  }
  const make = (kind: string, name: string, owners: readonly ApiObject[] = [], more: object = {}): Promise<ApiObject> =>
    access.create({
      apiVersion: 'v1',
      kind,
      metadata: {
        name,
        namespace: 'shop',
        ...(owners.length === 0 ? {} : { ownerReferences: owners.map(referTo) }),
        ...more,
      },
    })
  const names = (): readonly string[] =>
    ['configmaps', 'secrets'].flatMap((resource) =>
      access.list({ group: '', resource, namespace: '' }).items.map(({ metadata }) => metadata.name),
    )
  const remove = (name: string, propagationPolicy: 'Background' | 'Foreground' | 'Orphan'): Promise<void> =>
    access.delete({ group: '', resource: 'configmaps', namespace: 'shop', name }, { propagationPolicy })

  it('deletes what depends, and what depends on that', async () => {
    const a = await make('ConfigMap', 'a')
    const b = await make('Secret', 'b', [a])
    await make('Secret', 'c', [b])
    await make('Secret', 'other')
    await settle()
    await remove('a', 'Background')
    await settle()
    expect(names()).toEqual(['other'])
  })

  it('keeps what another owner still has, without the name of the one that went', async () => {
    const [a, b] = [await make('ConfigMap', 'a'), await make('ConfigMap', 'b')]
    await make('Secret', 'shared', [a, b])
    await settle()
    await remove('a', 'Background')
    await settle()
    expect(names()).toEqual(['b', 'shared'])
    const shared = access.list({ group: '', resource: 'secrets', namespace: '' }).items[0]
    expect(shared?.metadata.ownerReferences?.map(({ name }) => name)).toEqual(['b'])
  })

  it('lets an owner go after those that block it', async () => {
    const a = await make('ConfigMap', 'a')
    await make('Secret', 'slow', [a], { finalizers: ['wait/here'] })
    await settle()
    await remove('a', 'Foreground')
    await settle()
    expect(names()).toEqual(['a', 'slow'])
    await access.set(
      { group: '', resource: 'secrets', namespace: 'shop', name: 'slow' },
      { metadata: { finalizers: [] } },
    )
    await settle()
    expect(names()).toEqual([])
  })

  it('leaves dependents behind as orphans', async () => {
    const a = await make('ConfigMap', 'a')
    await make('Secret', 'kept', [a])
    await settle()
    await remove('a', 'Orphan')
    await settle()
    expect(names()).toEqual(['kept'])
    expect(
      access.list({ group: '', resource: 'secrets', namespace: '' }).items[0]?.metadata.ownerReferences,
    ).toBeUndefined()
  })

  it('tells owners by uid: one of the same name is another', async () => {
    await make('ConfigMap', 'a')
    await make('Secret', 'late', [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', uid: 'another' } }])
    await settle()
    expect(names()).toEqual(['a'])
  })

  it('does not take an owner of an unknown kind for gone, and learns kinds that come later', async () => {
    const owner = { apiVersion: 'v1', kind: 'Widget', metadata: { name: 'w', uid: 'w' } }
    await make('Secret', 'waiting', [owner])
    await settle()
    expect(names()).toEqual(['waiting'])
  })

  it('empties a namespace, waits for what holds out, then lets it go', async () => {
    const namespace = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'shop' },
      spec: { finalizers: ['kubernetes'] },
    }
    await access.create(namespace)
    await make('ConfigMap', 'a')
    await make('Secret', 'slow', [], { finalizers: ['wait/here'] })
    const ref = { group: '', resource: 'namespaces', namespace: '', name: 'shop' }
    await access.delete(ref)
    await settle()
    expect(names()).toEqual(['slow'])
    expect(access.get(ref)?.status).toMatchObject({
      phase: 'Terminating',
      conditions: [
        {
          type: 'NamespaceContentRemaining',
          message: 'Some resources are remaining: secrets has 1 resource instances',
        },
      ],
    })
    await access.set(
      { group: '', resource: 'secrets', namespace: 'shop', name: 'slow' },
      { metadata: { finalizers: [] } },
    )
    await settle()
    expect(access.get(ref)).toBeUndefined()
  })

  it('fills a token secret once, also when its account comes later, and removes it with the account', async () => {
    const minted: string[] = []
    const mint = async ({ name }: { name: string }, secret: { name: string }): Promise<string> => {
      minted.push(`${name} ${secret.name}`)
      return 'token'
    }
    const environment = { access, clock, logger: quietLogger }
    running.push(runController(accountTokens(environment, 'ROOT', mint), environment))
    await access.create({
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/service-account-token',
      metadata: { name: 't', namespace: 'shop', annotations: { 'kubernetes.io/service-account.name': 'cart' } },
    })
    await settle()
    expect(names()).toEqual(['t'])
    await access.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'cart', namespace: 'shop' } })
    await settle()
    const secret = access.list({ group: '', resource: 'secrets', namespace: '' }).items[0]
    expect(secret?.data).toEqual({ 'ca.crt': 'Uk9PVA==', namespace: 'c2hvcA==', token: 'dG9rZW4=' })
    expect(minted).toEqual(['cart t'])
    await access.delete({ group: '', resource: 'serviceaccounts', namespace: 'shop', name: 'cart' })
    await settle()
    expect(names()).toEqual([])
  })
})

function referTo({ apiVersion, kind, metadata }: ApiObject): OwnerReference {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '', controller: false, blockOwnerDeletion: true }
}
