import { describe, expect, it } from 'vitest'
import { makeMeshAccounts } from '../../../../src/local/cluster-api/mesh-accounts.ts'
import { meshRights } from '../../../../src/local/cluster-api/mesh-rights.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../support/memory-access.ts'

const RBAC = 'rbac.authorization.k8s.io'
const everywhere = { group: RBAC, resource: 'clusterroles', namespace: '', name: 'ambit:istiod-lite' }
const atHome = { group: RBAC, resource: 'roles', namespace: 'istio-system', name: 'ambit:istiod-lite' }

async function made(): Promise<{ readonly access: MemoryAccess; readonly clock: FakeClock }> {
  const clock = new FakeClock()
  const access = new MemoryAccess(clock)
  await makeMeshAccounts(access, clock)
  return { access, clock }
}

describe("the accounts of the mesh's programs", () => {
  it('have the rights that are written, each in its place', async () => {
    const { access } = await made()
    expect(access.get(everywhere)?.rules).toEqual(meshRights['istiod-lite'].everywhere)
    expect(access.get(atHome)?.rules).toEqual(meshRights['istiod-lite'].atHome)
    expect(access.list({ group: RBAC, resource: 'clusterroles', namespace: '' }).items).toHaveLength(2)
    expect(access.list({ group: RBAC, resource: 'roles', namespace: 'istio-system' }).items).toHaveLength(1)
  })

  it('lose what an earlier program was given, and get what it was not', async () => {
    const { access, clock } = await made()
    const rules = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }]
    for (const role of [everywhere, atHome]) await access.patch(role, 'merge', { rules })
    await makeMeshAccounts(access, clock)
    expect(access.get(everywhere)?.rules).toEqual(meshRights['istiod-lite'].everywhere)
    expect(access.get(atHome)?.rules).toEqual(meshRights['istiod-lite'].atHome)
  })

  it('are written once: a next life finds them as they are to be', async () => {
    const { access, clock } = await made()
    const { length } = access.writes
    await makeMeshAccounts(access, clock)
    expect(access.writes).toHaveLength(length)
  })
})
