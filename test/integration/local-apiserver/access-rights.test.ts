import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { type Json, KubeClient } from '../../support/kube-client.ts'

let api: TestApi
let admin: KubeClient
const clients: KubeClient[] = []
const as = (
  who?: ConstructorParameters<typeof KubeClient>[1],
  server: { url: string; caPem: string } = api.server,
): KubeClient => {
  const client = new KubeClient(server, who)
  clients.push(client)
  return client
}
beforeAll(async () => {
  api = await startTestApi()
  admin = as(api.server.issueClient('admin', 'system:masters'))
})
afterAll(async () => {
  for (const client of clients) client.close()
  await api.close()
})

const accounts = '/api/v1/namespaces/default/serviceaccounts'
async function accountToken(name: string, spec: Json = {}): Promise<string> {
  await admin.post(accounts, { metadata: { name } })
  return (await admin.post(`${accounts}/${name}/token`, { spec })).json.status.token
}
const rule = (verbs: string[], resources: string[], more: Json = {}): Json => ({
  apiGroups: [''],
  verbs,
  resources,
  ...more,
})
async function grant(name: string, account: string, rules: Json[]): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default'
  await admin.post(`${rbac}/roles`, { metadata: { name }, rules })
  await admin.post(`${rbac}/rolebindings`, {
    metadata: { name },
    roleRef: { kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name: account, namespace: 'default' }],
  })
}

describe('who asks', () => {
  it('without a credential may see health and version, and nothing else', async () => {
    const nobody = as()
    expect((await nobody.get('/healthz')).text).toBe('ok')
    expect((await nobody.get('/version')).json.gitVersion).toMatch(/^v1\./)
    expect((await nobody.get('/api/v1/pods')).json).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message:
        'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope',
    })
    expect((await nobody.get('/apis')).code).toBe(403)
  })

  it.each<[string, string]>([
    ['a token that is none', 'nonsense'],
    ['a token of another signer', 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA'],
    ['a token without a signature', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.'],
  ])('with %s is nobody at all', async (_what, token) => {
    const answer = await as(token).get('/healthz')
    expect([answer.code, answer.json.reason, answer.headers['www-authenticate']]).toEqual([
      401,
      'Unauthorized',
      'Bearer',
    ])
  })

  it('with a certificate of another CA is refused', async () => {
    const other = await startTestApi()
    const stranger = other.server.issueClient('admin', 'system:masters')
    expect((await as(stranger).get('/api/v1/pods')).code).toBe(401)
    await other.close()
  })

  it('with a certificate is its common name, in the group of its organization', async () => {
    const node = as(api.server.issueClient('system:node:n1', 'system:nodes'))
    const { json } = await node.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', {})
    expect(json.status.userInfo).toEqual({
      username: 'system:node:n1',
      groups: ['system:nodes', 'system:authenticated'],
    })
    expect((await node.get('/api/v1/nodes')).code).toBe(403)
  })
})

describe('a service-account token', () => {
  it('stands for its account as long as that lives', async () => {
    const cart = as(await accountToken('cart'))
    const { json } = await cart.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', {})
    expect(json.status.userInfo).toMatchObject({
      username: 'system:serviceaccount:default:cart',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
    })
    await admin.delete(`${accounts}/cart`)
    expect((await cart.get('/version')).code).toBe(401)
    await admin.post(accounts, { metadata: { name: 'cart' } })
    expect((await cart.get('/version')).code).toBe(401)
  })

  it('bound to a pod dies with it', async () => {
    await admin.post(accounts, { metadata: { name: 'bound' } })
    const pods = '/api/v1/namespaces/default/pods'
    const { json: pod } = await admin.post(pods, {
      metadata: { name: 'p' },
      spec: { containers: [{ name: 'a', image: 'a' }] },
    })
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'p', uid: pod.metadata.uid }
    const token = await accountToken('bound', { boundObjectRef })
    const reviewed = async (): Promise<Json> =>
      (await admin.post('/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token } })).json.status
    expect(await reviewed()).toMatchObject({
      authenticated: true,
      user: { extra: { 'authentication.kubernetes.io/pod-name': ['p'] } },
    })
    await admin.delete(`${pods}/p`)
    expect(await reviewed()).toMatchObject({ authenticated: false, error: expect.any(String) })
    const lost = await admin.post(`${accounts}/bound/token`, { spec: { boundObjectRef } })
    expect(lost.json.reason).toBe('NotFound')
  })

  it('for somebody else is no key to this API, and is known when asked for by its audience', async () => {
    const token = await accountToken('mesh', { audiences: ['istio-ca'] })
    expect((await as(token).get('/version')).code).toBe(401)
    const review = async (audiences: string[]): Promise<Json> =>
      (await admin.post('/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token, audiences } })).json.status
    expect(await review(['istio-ca', 'x'])).toMatchObject({ authenticated: true, audiences: ['istio-ca'] })
    expect(await review(['x'])).toMatchObject({ authenticated: false })
  })

  it('lives as long as asked, within reason', async () => {
    await admin.post(accounts, { metadata: { name: 'short' } })
    const ask = (expirationSeconds: number): Promise<Json> =>
      admin.post(`${accounts}/short/token`, { spec: { expirationSeconds } })
    expect((await ask(5)).json.reason).toBe('Invalid')
    const { json } = await ask(600)
    const left = Date.parse(json.status.expirationTimestamp) - Date.now()
    expect(left).toBeGreaterThan(590_000)
    expect(left).toBeLessThan(610_000)
  })

  it('can be verified by whoever reads the keys', async () => {
    await accountToken('reader')
    const reader = as(await accountToken('reader'))
    const { json } = await reader.get('/.well-known/openid-configuration')
    expect(json.issuer).toBe('https://kubernetes.default.svc.cluster.local')
    expect((await reader.get('/openid/v1/jwks')).json.keys[0]).toMatchObject({
      kty: 'EC',
      alg: 'ES256',
      kid: expect.any(String),
    })
  })
})

describe('rights', () => {
  it('are those of the roles that are bound, and no more', async () => {
    const robot = as(await accountToken('robot'))
    await grant('robot', 'robot', [
      rule(['get', 'list'], ['configmaps']),
      rule(['get'], ['secrets'], { resourceNames: ['mine'] }),
      rule(['update'], ['pods/status']),
    ])
    const code = async (method: string, path: string, body?: Json): Promise<number> =>
      (await robot.send(method, `/api/v1/namespaces/default/${path}`, { body })).code
    expect(await code('GET', 'configmaps')).toBe(200)
    expect(await code('GET', 'configmaps?watch=1')).toBe(403)
    expect(await code('POST', 'configmaps', { metadata: { name: 'x' } })).toBe(403)
    expect(await code('GET', 'secrets')).toBe(403)
    expect(await code('GET', 'secrets/mine')).toBe(404)
    expect(await code('GET', 'secrets/other')).toBe(403)
    expect(await code('PUT', 'pods/none/status', { metadata: { name: 'none' } })).toBe(404)
    expect(await code('PUT', 'pods/none', {})).toBe(403)
    expect((await robot.get('/api/v1/configmaps')).code).toBe(403)
    expect((await robot.get('/apis')).code).toBe(200)
  })

  it('to a list of one name are rights to that name', async () => {
    const lister = as(await accountToken('lister'))
    await grant('lister', 'lister', [rule(['list', 'watch'], ['configmaps'], { resourceNames: ['one'] })])
    const path = '/api/v1/namespaces/default/configmaps'
    expect((await lister.get(`${path}?fieldSelector=metadata.name%3Done`)).code).toBe(200)
    expect((await lister.get(path)).code).toBe(403)
  })

  it('can be asked for before they are used', async () => {
    const asker = as(await accountToken('asker'))
    await grant('asker', 'asker', [rule(['get'], ['pods'])])
    const ask = async (verb: string): Promise<boolean> => {
      const resourceAttributes = { namespace: 'default', verb, resource: 'pods' }
      const { json } = await asker.post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        spec: { resourceAttributes },
      })
      return json.status.allowed
    }
    expect([await ask('get'), await ask('delete')]).toEqual([true, false])
    const { json } = await asker.post('/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', {
      spec: { namespace: 'default' },
    })
    expect(json.status.resourceRules).toContainEqual({ verbs: ['get'], apiGroups: [''], resources: ['pods'] })
    const other = await admin.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
      spec: {
        user: 'system:serviceaccount:default:asker',
        resourceAttributes: { namespace: 'default', verb: 'get', resource: 'pods' },
      },
    })
    expect(other.json.status).toMatchObject({
      allowed: true,
      reason: expect.stringContaining('RoleBinding "asker/default"'),
    })
  })

  it('cannot be given away by whoever does not have them', async () => {
    const giver = as(await accountToken('giver'))
    const rbacRule = {
      apiGroups: ['rbac.authorization.k8s.io'],
      verbs: ['create'],
      resources: ['roles', 'rolebindings'],
    }
    await grant('giver', 'giver', [rbacRule, rule(['get'], ['pods'])])
    const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default'
    const role = (name: string, rules: Json[]): Promise<Json> =>
      giver.post(`${rbac}/roles`, { metadata: { name }, rules })
    expect((await role('less', [rule(['get'], ['pods'], { resourceNames: ['x'] })])).code).toBe(201)
    expect((await role('more', [rule(['get', 'list'], ['pods'])])).json.message).toContain(
      'permissions not currently held',
    )
    expect((await role('all', [rule(['*'], ['*'])])).code).toBe(403)
    const bind = async (kind: string, name: string): Promise<number> =>
      (
        await giver.post(`${rbac}/rolebindings`, {
          metadata: { generateName: 'b-' },
          roleRef: { kind, name },
          subjects: [],
        })
      ).code
    expect([
      await bind('Role', 'less'),
      await bind('ClusterRole', 'cluster-admin'),
      await bind('Role', 'none'),
    ]).toEqual([201, 403, 403])
  })

  it('to be somebody else are rights too', async () => {
    const plain = as(await accountToken('plain'))
    const forbidden = await plain.get('/api/v1/nodes', {
      headers: { 'impersonate-user': 'root', 'impersonate-group': 'system:masters' },
    })
    expect([forbidden.code, forbidden.json.message]).toEqual([403, expect.stringContaining('cannot impersonate')])
    const allowed = await admin.get('/api/v1/nodes', { headers: { 'impersonate-user': 'jane' } })
    expect(allowed.json.message).toContain('User "jane" cannot list resource "nodes"')
  })
})

describe('an apply of what is not there', () => {
  const applied = async (account: string, name: string): Promise<number> => {
    const client = as(await accountToken(account))
    const path = `/api/v1/namespaces/default/configmaps/${name}?fieldManager=test`
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: account } }
    return (await client.send('PATCH', path, { body, type: 'application/apply-patch+yaml' })).code
  }

  it('takes the right to create it, by its name', async () => {
    await grant('patcher', 'patcher', [rule(['patch'], ['configmaps'])])
    await grant('maker', 'maker', [rule(['patch', 'create'], ['configmaps'], { resourceNames: ['made'] })])
    expect(await applied('patcher', 'made')).toBe(403)
    expect(await applied('maker', 'other')).toBe(403)
    expect(await applied('maker', 'made')).toBe(201)
  })

  it('is an ordinary change once it is there', async () => {
    expect((await admin.get('/api/v1/namespaces/default/configmaps/made')).code).toBe(200)
    await grant('patcher-too', 'patcher-too', [rule(['patch'], ['configmaps'])])
    // By the same manager, whoever it is.
    expect(await applied('patcher-too', 'made')).toBe(200)
  })
})
