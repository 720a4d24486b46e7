import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installMeshCrds, readMeshCrds } from '../../../src/local/apiserver/crd/index.ts'
import type { ApiObject } from '../../../src/local/apiserver/index.ts'
import { hasKubectl, kubectl, startTestApi, type TestApi } from '../../support/kube-api.ts'
import { CRD_FOLDER } from '../../support/mesh-kinds.ts'

const CRDS = { group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions', namespace: '' }
const CARTS = { group: 'shop.example.com', resource: 'carts', namespace: '' }

function cartCrd(): ApiObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'carts.shop.example.com' },
    spec: {
      group: 'shop.example.com',
      scope: 'Namespaced',
      names: { plural: 'carts', kind: 'Cart', shortNames: ['ct'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: {
                  type: 'object',
                  properties: { size: { type: 'integer', default: 1, minimum: 1 }, owner: { type: 'string' } },
                  'x-kubernetes-validations': [
                    { rule: '!has(oldSelf.owner) || self.owner == oldSelf.owner', message: 'owner cannot be changed' },
                  ],
                },
                status: { type: 'object', properties: { items: { type: 'integer' } } },
              },
            },
          },
        },
      ],
    },
  }
}

function cart(name: string, spec: object, metadata: object = {}): ApiObject {
  return {
    apiVersion: 'shop.example.com/v1',
    kind: 'Cart',
    metadata: { name, namespace: 'default', ...metadata },
    spec,
  }
}

/** Resolves when the condition holds, after a change of the selection at the latest. */
function until(api: TestApi, selection: typeof CRDS, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const watch = api.server.access.watch(selection, () => check())
    const check = (): void => {
      if (!holds()) return
      watch.stop()
      resolve()
    }
    check()
  })
}

describe('a kind that a user defines', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await startTestApi()
    await api.server.access.create(cartCrd())
  })
  afterAll(() => api.close())

  test('is served at once, with defaults, validation and rules', async () => {
    const { access } = api.server
    const made = await access.create(cart('a', { owner: 'x' }))
    expect(made).toMatchObject({ spec: { size: 1, owner: 'x' }, metadata: { generation: 1 } })
    await expect(access.create(cart('b', { size: 0 }))).rejects.toThrow(
      'Cart.shop.example.com "b" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1',
    )
    await expect(access.update({ ...made, spec: { size: 1, owner: 'y' } })).rejects.toThrow('owner cannot be changed')
  })

  test('stays what it is when its definition is written without a change', async () => {
    const { access, registry } = api.server
    const before = registry.find('shop.example.com', 'carts')
    const present = access.get({ ...CRDS, name: 'carts.shop.example.com' })
    if (present === undefined) throw new Error('no definition')
    await access.update({ ...present, metadata: { ...present.metadata, labels: { a: 'b' } } })
    expect(registry.find('shop.example.com', 'carts')).toBe(before)
  })

  test('goes with all its objects, and only when their finalizers let them go', async () => {
    const { access, registry } = api.server
    const held = await access.create(cart('held', {}, { finalizers: ['shop.example.com/wait'] }))
    await access.delete({ ...CRDS, name: 'carts.shop.example.com' })
    const crd = (): ApiObject | undefined => access.get({ ...CRDS, name: 'carts.shop.example.com' })
    const present = (): ApiObject | undefined => access.get({ ...CARTS, namespace: 'default', name: 'held' })
    await until(api, CARTS, () => present()?.metadata.deletionTimestamp !== undefined)
    expect(crd()).toMatchObject({
      status: {
        conditions: expect.arrayContaining([expect.objectContaining({ type: 'Terminating', status: 'True' })]),
      },
    })
    expect(access.list(CARTS).items).toHaveLength(1)
    const going = present() ?? held
    await access.update({ ...going, metadata: { ...going.metadata, finalizers: [] } })
    await until(api, CRDS, () => crd() === undefined)
    expect(registry.find('shop.example.com', 'carts')).toBeUndefined()
  })

  test('comes back empty when it is defined again', async () => {
    await api.server.access.create(cartCrd())
    expect(api.server.access.list(CARTS).items).toEqual([])
  })
})

describe("the mesh's definitions", () => {
  let api: TestApi
  const crds = readMeshCrds(CRD_FOLDER)
  beforeAll(async () => {
    api = await startTestApi()
    await installMeshCrds(crds, api.server.access)
  })
  afterAll(() => api.close())
  const versions = (): readonly string[] =>
    api.server.access.list(CRDS).items.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`)

  test('are installed once', async () => {
    const before = versions()
    expect(before).toHaveLength(crds.length)
    await installMeshCrds(crds, api.server.access)
    expect(versions()).toEqual(before)
  })

  test('are brought up to date', async () => {
    const [first] = crds.filter(({ metadata }) => metadata.name === 'servers.policy.linkerd.io')
    if (first === undefined) throw new Error('no such definition')
    const spec = first.spec as { readonly names: object }
    const newer = { ...first, spec: { ...spec, names: { ...spec.names, shortNames: ['srv', 'serv'] } } }
    await installMeshCrds([newer], api.server.access)
    expect(api.server.registry.find('policy.linkerd.io', 'servers')?.shortNames).toEqual(['srv', 'serv'])
  })

  test('that a user has put others in the place of stay so', async () => {
    const { access, registry } = api.server
    const present = access.get({ ...CRDS, name: 'telemetries.telemetry.istio.io' })
    if (present === undefined) throw new Error('no such definition')
    const spec = present.spec as { readonly names: object }
    await access.update({ ...present, spec: { ...spec, names: { ...spec.names, shortNames: ['tel'] } } })
    await installMeshCrds(crds, access)
    expect(registry.find('telemetry.istio.io', 'telemetries')?.shortNames).toEqual(['tel'])
  })
})

describe.skipIf(!hasKubectl())('with kubectl', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await startTestApi()
    await installMeshCrds(readMeshCrds(CRD_FOLDER), api.server.access)
  })
  afterAll(() => api.close())
  const run = (line: string, input = ''): ReturnType<typeof kubectl> => kubectl(api, line.split(' '), input)

  test('a typo in a field is refused by name', async () => {
    const manifest =
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: a }\nspec: { hots: [a] }'
    const { code, stderr } = await run('apply -f -', manifest)
    expect(code).toBe(1)
    expect(stderr).toContain('strict decoding error: unknown field "spec.hots"')
    const warned = await run('apply --validate=warn -f -', manifest)
    expect(warned).toMatchObject({ code: 0, stderr: expect.stringContaining('Warning: unknown field "spec.hots"') })
  })

  test('explain tells of fields', async () => {
    const { stdout } = await run('explain virtualservices.spec.http.retries.attempts')
    expect(stdout).toContain('FIELD: attempts <integer>')
    expect(stdout).toContain('Further tries')
    expect((await run('explain gateway.spec --recursive')).stdout).toContain('certificateRefs')
  })

  test('columns are those that users know', async () => {
    const manifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
---
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: { name: default }
spec: { mtls: { mode: STRICT } }`
    expect((await run('apply -f -', manifest)).code).toBe(0)
    expect((await run('get gtw')).stdout).toMatch(/NAME +CLASS +ADDRESS +PROGRAMMED +AGE\nwaypoint +istio-waypoint +/)
    expect((await run('get pa')).stdout).toMatch(/NAME +MODE +AGE\ndefault +STRICT +\d+s/)
    expect((await run('get istio-io -o name')).stdout).toContain('peerauthentication.security.istio.io/default')
  })

  test('an object is the same in each version', async () => {
    const { stdout } = await run('get peerauthentications.v1beta1.security.istio.io default -o yaml')
    expect(stdout).toContain('apiVersion: security.istio.io/v1beta1')
    expect((await run('get pa default -o yaml')).stdout).toContain('apiVersion: security.istio.io/v1\n')
  })

  test('definitions of the same kinds are taken in their place, also by server-side apply', async () => {
    const manifest = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: workloadentries.networking.istio.io }
spec:
  group: networking.istio.io
  scope: Namespaced
  names: { kind: WorkloadEntry, listKind: WorkloadEntryList, plural: workloadentries, singular: workloadentry }
  versions:
    - name: v1
      served: true
      storage: true
      schema: { openAPIV3Schema: { type: object, properties: { spec: { type: object, properties: { address: { type: string } } } } } }`
    expect(await run('apply --server-side -f -', manifest)).toMatchObject({ code: 0, stderr: '' })
    const definition = api.server.registry.find('networking.istio.io', 'workloadentries')
    expect(definition?.versions.map(({ name }) => name)).toEqual(['v1'])
    await installMeshCrds(readMeshCrds(CRD_FOLDER), api.server.access)
    expect(api.server.registry.find('networking.istio.io', 'workloadentries')).toBe(definition)
    expect((await run('apply -f -', manifest.replace('address: ', 'adress: '))).code).toBe(0)
  })

  test('the definitions are there and established', async () => {
    const { stdout } = await run(
      'wait --for=condition=Established --timeout=5s crd/virtualservices.networking.istio.io crd/canaries.flagger.app',
    )
    expect(stdout.match(/condition met/g)).toHaveLength(2)
  })
})
