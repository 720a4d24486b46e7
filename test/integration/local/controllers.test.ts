import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { parseCidr } from '#shared/net'
import type { ApiObject } from '../../../src/local/apiserver/index.ts'
import { registerNode, ServiceAddresses, startControllers } from '../../../src/local/controllers/index.ts'
import { hasKubectl, type KubectlResult, kubectl, startTestApi, type TestApi } from '../../support/kube-api.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

const PODS = { group: '', resource: 'pods', namespace: '' }

describe.skipIf(!hasKubectl(31))('controllers behind kubectl', () => {
  let api: TestApi
  let closers: { close?(): Promise<void>; stop?(): void }[]

  beforeAll(async () => {
    api = await startTestApi()
    const { access, registry, caPem } = api.server
    const environment = { access, clock: systemClock, logger: quietLogger }
    const addresses = new ServiceAddresses({
      clock: systemClock,
      ranges: ['10.96.0.0/16', 'fd00:10:96::/112'].map((text) => parseCidr(text)!),
      nodePorts: { first: 30_000, last: 32_767 },
    })
    for (const name of ['node-a', 'node-b']) {
      await registerNode(environment, {
        name,
        labels: {},
        addresses: ['10.243.0.2'],
        podCidrs: ['10.244.1.0/24'],
        isReady: true,
        message: 'runs',
        capacity: { cpu: '2', memory: '4Gi', pods: '110' },
        nodeInfo: { kubeletVersion: 'v1.33.0' },
      })
    }
    // As from a state whose services nobody gave addresses to.
    for (const [name, clusterIP] of [
      ['lacking', ''],
      ['foreign', '192.0.2.1'],
    ]) {
      const spec = { ports: [{ port: 80 }], ...(clusterIP === '' ? {} : { clusterIP }) }
      await access.create({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: name ?? '', namespace: 'default' },
        spec,
      })
    }
    api.server.addAdmission(addresses.hook)
    closers = [
      startControllers({
        ...environment,
        registry,
        caCertificatePem: caPem,
        mintToken: async () => 'a-token',
        addresses,
      }),
      fakeKubelet(api),
    ]
  })
  afterAll(async () => {
    for (const each of closers) {
      await each.close?.()
      each.stop?.()
    }
    await api.close()
  })

  const run = (...args: readonly string[]): Promise<KubectlResult> => kubectl(api, args)
  const ok = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args)
    expect(code, stderr).toBe(0)
    return stdout.trim()
  }
  const apply = async (manifest: object): Promise<void> => {
    const { code, stderr } = await kubectl(api, ['apply', '-f', '-'], JSON.stringify(manifest))
    expect(code, stderr).toBe(0)
  }

  it('gives each namespace its account and root certificate, also again', async () => {
    await ok('create', 'namespace', 'shop')
    await ok('wait', '-n', 'shop', '--for=create', 'sa/default', '--timeout=5s')
    await ok('wait', '-n', 'shop', '--for=create', 'cm/kube-root-ca.crt', '--timeout=5s')
    await ok('delete', '-n', 'shop', 'sa/default')
    await ok('wait', '-n', 'shop', '--for=create', 'sa/default', '--timeout=5s')
  })

  it('rolls out, shows, undoes, scales and deletes a deployment', async () => {
    await ok('create', 'deployment', 'web', '-n', 'shop', '--image=web:1', '--replicas=3')
    expect(await ok('rollout', 'status', '-n', 'shop', 'deploy/web', '--timeout=10s')).toContain(
      'successfully rolled out',
    )
    await ok('set', 'image', '-n', 'shop', 'deploy/web', 'web=web:2')
    await ok('rollout', 'status', '-n', 'shop', 'deploy/web', '--timeout=10s')
    expect(await ok('rollout', 'history', '-n', 'shop', 'deploy/web')).toMatch(/1\s+<none>\n2\s+<none>/)
    await ok('rollout', 'undo', '-n', 'shop', 'deploy/web')
    await ok('rollout', 'status', '-n', 'shop', 'deploy/web', '--timeout=10s')
    expect(
      await ok('get', 'deploy', '-n', 'shop', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}'),
    ).toBe('web:1')
    await ok('scale', '-n', 'shop', 'deploy/web', '--replicas=5')
    await ok('rollout', 'status', '-n', 'shop', 'deploy/web', '--timeout=10s')
    expect((await ok('get', 'pods', '-n', 'shop', '-o', 'name')).split('\n')).toHaveLength(5)
    expect(await ok('get', 'pods', '-n', 'shop', '-o', 'wide')).toMatch(/node-a(.|\n)*node-b|node-b(.|\n)*node-a/)
    await ok('rollout', 'restart', '-n', 'shop', 'deploy/web')
    await ok('rollout', 'status', '-n', 'shop', 'deploy/web', '--timeout=10s')
    expect(await ok('describe', 'deploy', '-n', 'shop', 'web')).toContain('ScalingReplicaSet')
  })

  it('keeps the pods of a stateful set in order and under their names, and renews them', async () => {
    await ok('create', 'namespace', 'sets')
    await apply(podSet('StatefulSet', 'db', { replicas: 3, serviceName: 'db' }))
    const status = (what: string): Promise<string> => ok('rollout', 'status', '-n', 'sets', what, '--timeout=10s')
    const images = (app: string): Promise<string> =>
      ok('get', 'pods', '-n', 'sets', '-l', `app=${app}`, '-o', 'jsonpath={.items[*].spec.containers[0].image}')
    expect(await status('sts/db')).toContain('3 pods at revision')
    expect(await ok('get', 'pods', '-n', 'sets', '-o', 'name')).toBe('pod/db-0\npod/db-1\npod/db-2')
    expect(await ok('get', 'pod', 'db-1', '-n', 'sets', '-o', 'jsonpath={.spec.hostname}.{.spec.subdomain}')).toBe(
      'db-1.db',
    )
    await ok('set', 'image', '-n', 'sets', 'sts/db', 'c=db:2')
    await status('sts/db')
    expect(await images('db')).toBe('db:2 db:2 db:2')
    await ok('scale', '-n', 'sets', 'sts/db', '--replicas=1')
    await ok('wait', '-n', 'sets', '--for=delete', 'pod/db-1', 'pod/db-2', '--timeout=10s')
    expect(await ok('get', 'sts', '-n', 'sets')).toMatch(/db +1\/1/)

    await apply(podSet('DaemonSet', 'agent'))
    expect(await status('ds/agent')).toContain('successfully rolled out')
    await ok('rollout', 'restart', '-n', 'sets', 'ds/agent')
    await status('ds/agent')
    const nodes = ['get', 'pods', '-n', 'sets', '-l', 'app=agent', '-o', 'jsonpath={.items[*].spec.nodeName}']
    expect((await ok(...nodes)).split(' ').sort()).toEqual(['node-a', 'node-b'])
    await ok('taint', 'nodes', 'node-b', 'only=others:NoExecute')
    await expect.poll(() => ok(...nodes)).toBe('node-a')
    await ok('taint', 'nodes', 'node-b', 'only-')
    await status('ds/agent')
    await ok('drain', 'node-b', '--ignore-daemonsets', '--timeout=10s')
    await ok('uncordon', 'node-b')
    await ok('delete', 'sts,ds', '--all', '-n', 'sets')
    await ok('wait', '-n', 'sets', '--for=delete', 'pod', '--all', '--timeout=10s')
    await ok('delete', 'namespace', 'sets')
  })

  it('drains a node only as far as a disruption budget lets it', async () => {
    await ok('create', 'namespace', 'budget')
    await ok('create', 'deployment', 'few', '-n', 'budget', '--image=few:1', '--replicas=2')
    await ok('rollout', 'status', '-n', 'budget', 'deploy/few', '--timeout=10s')
    await ok('create', 'pdb', 'few', '-n', 'budget', '--selector=app=few', '--min-available=2')
    const allowed = (): Promise<string> =>
      ok('get', 'pdb', 'few', '-n', 'budget', '-o', 'jsonpath={.status.desiredHealthy} {.status.disruptionsAllowed}')
    await expect.poll(allowed).toBe('2 0')
    const held = await run('drain', 'node-a', '--pod-selector=app=few', '--ignore-daemonsets', '--timeout=2s')
    expect(held).toMatchObject({ code: 1, stderr: expect.stringContaining("violate the pod's disruption budget") })
    await ok('patch', 'pdb', 'few', '-n', 'budget', '--type=merge', '-p', '{"spec":{"minAvailable":1}}')
    await expect.poll(allowed).toBe('1 1')
    await ok('drain', 'node-a', '--pod-selector=app=few', '--ignore-daemonsets', '--timeout=10s')
    await ok('uncordon', 'node-a')
    await ok('delete', 'namespace', 'budget')
  })

  it('says of what does nothing here why it does nothing', async () => {
    await ok('create', 'namespace', 'kept')
    const metadata = { name: 'data', namespace: 'kept' }
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
    await apply({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec })
    await ok('create', 'deployment', 'web', '-n', 'kept', '--image=web:1')
    await ok('autoscale', 'deployment', 'web', '-n', 'kept', '--max=3')
    await expect
      .poll(() => ok('describe', 'pvc', 'data', '-n', 'kept'))
      .toMatch(/ProvisioningFailed[^\n]*nobody provides volumes on one machine/)
    await expect
      .poll(() => ok('describe', 'hpa', 'web', '-n', 'kept'))
      .toMatch(/ScalingActive +False +FailedGetResourceMetric/)
    await ok('delete', 'namespace', 'kept')
  })

  it('refuses by name what a stateful set cannot have on one machine', async () => {
    const volumes = podSet('StatefulSet', 'kept', { volumeClaimTemplates: [{ metadata: { name: 'data' } }] })
    const { stderr } = await kubectl(api, ['create', '-f', '-'], JSON.stringify(volumes))
    expect(stderr).toContain('spec.volumeClaimTemplates: Forbidden: nobody provides volumes on one machine')
  })

  it('gives an exposed deployment addresses of both families and endpoints', async () => {
    await ok('expose', 'deploy', '-n', 'shop', 'web', '--port=80', '--type=NodePort')
    expect(await ok('get', 'svc', '-n', 'shop', 'web', '-o', 'jsonpath={.spec.clusterIPs}')).toMatch(
      /^\["10\.96\.\d+\.\d+","fd00:10:96::[0-9a-f]+"\]$/,
    )
    expect(
      Number(await ok('get', 'svc', '-n', 'shop', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}')),
    ).toBeGreaterThanOrEqual(30_000)
    const addresses = async (): Promise<readonly string[]> => {
      const { items } = JSON.parse(await ok('get', 'endpointslices', '-n', 'shop', '-o', 'json'))
      return items.flatMap((slice: { endpoints: { addresses: string[] }[] }) =>
        slice.endpoints.flatMap((endpoint) => endpoint.addresses),
      )
    }
    await expect.poll(addresses, { timeout: 10_000 }).toHaveLength(5)
    expect(
      (await ok('get', 'endpoints', '-n', 'shop', 'web', '-o', 'jsonpath={.subsets[0].addresses[*].ip}')).split(' '),
    ).toHaveLength(5)
    await ok('patch', 'svc', '-n', 'shop', 'web', '-p', '{"metadata":{"labels":{"tier":"front"}}}')
    expect(await ok('get', 'svc', '-n', 'shop', 'web', '-o', 'jsonpath={.spec.clusterIPs[1]}')).toContain(
      'fd00:10:96::',
    )
  })

  it.each([
    { says: 'headless', spec: { clusterIP: 'None', ports: [{ port: 80 }] }, has: '["None"]' },
    { says: 'of another name', spec: { type: 'ExternalName', externalName: 'example.org' }, has: '' },
    { says: 'at its own address', spec: { clusterIP: '10.96.0.77', ports: [{ port: 80 }] }, has: '["10.96.0.77"]' },
  ])('takes a service that is $says', async ({ spec, has }) => {
    const name = `svc-${Object.keys(spec).join('-').toLowerCase()}-${has.length}`
    await apply({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec })
    expect(await ok('get', 'svc', '-n', 'shop', name, '-o', 'jsonpath={.spec.clusterIPs}')).toBe(has)
  })

  it('repairs at its start a service without address, and tells of one whose address is of no range', async () => {
    const ip = await ok('get', 'svc', 'lacking', '-o', 'jsonpath={.spec.clusterIP}')
    expect(ip).toMatch(/^10\.96\./)
    expect(await ok('events', '--for=svc/foreign')).toContain(
      'cluster IP 192.0.2.1 is in no range of service addresses',
    )
  })

  it('refuses an address that another service has', async () => {
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'thief', namespace: 'shop' } }
    const spec = { clusterIP: '10.96.0.77', ports: [{ port: 80 }] }
    const { code, stderr } = await kubectl(api, ['apply', '-f', '-'], JSON.stringify({ ...service, spec }))
    expect(code).not.toBe(0)
    expect(stderr).toContain('provided IP is already allocated')
  })

  it('runs a job to its end', async () => {
    await apply({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'count', namespace: 'shop' },
      spec: {
        completions: 3,
        parallelism: 2,
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'job:1' }] } },
      },
    })
    await ok('wait', '-n', 'shop', '--for=condition=complete', 'job/count', '--timeout=10s')
    expect(await ok('get', 'job', '-n', 'shop', 'count', '-o', 'jsonpath={.status.succeeded}')).toBe('3')
    await ok('delete', 'job', '-n', 'shop', 'count')
    await gone('shop', 'job-name=count')
  })

  it('says why a pod has no node, and places it when one fits', async () => {
    await ok('run', 'picky', '-n', 'shop', '--image=web:1', '--overrides={"spec":{"nodeSelector":{"disk":"fast"}}}')
    await expect
      .poll(async () => (await run('events', '-n', 'shop', '--for=pod/picky')).stdout, { timeout: 5_000 })
      .toContain("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.")
    await ok('label', 'node', 'node-b', 'disk=fast')
    await ok('wait', '-n', 'shop', '--for=condition=Ready', 'pod/picky', '--timeout=5s')
    expect(await ok('get', 'pod', '-n', 'shop', 'picky', '-o', 'jsonpath={.spec.nodeName}')).toBe('node-b')
  })

  it('keeps the pods of an orphaning deletion, and takes in a new owner', async () => {
    await ok('create', 'deployment', 'kept', '-n', 'shop', '--image=web:1')
    await ok('rollout', 'status', '-n', 'shop', 'deploy/kept', '--timeout=10s')
    await ok('delete', 'deploy', '-n', 'shop', 'kept', '--cascade=orphan')
    const sets = await ok(
      'get',
      'rs',
      '-n',
      'shop',
      '-l',
      'app=kept',
      '-o',
      'jsonpath={.items[*].metadata.ownerReferences}',
    )
    expect(sets).toBe('')
    expect((await ok('get', 'pods', '-n', 'shop', '-l', 'app=kept', '-o', 'name')).split('\n')).toHaveLength(1)
  })

  it.each(['background', 'foreground'])('deletes everything under a deployment in the %s', async (cascade) => {
    const name = `gone-${cascade}`
    await ok('create', 'deployment', name, '-n', 'shop', '--image=web:1')
    await ok('rollout', 'status', '-n', 'shop', `deploy/${name}`, '--timeout=10s')
    await ok('delete', 'deploy', '-n', 'shop', name, `--cascade=${cascade}`, '--timeout=10s')
    await gone('shop', `app=${name}`)
  })

  it('empties a namespace before it goes', async () => {
    expect(await ok('delete', 'namespace', 'shop', '--timeout=15s')).toContain('deleted')
    expect((await run('get', 'namespace', 'shop')).stderr).toContain('not found')
    expect((await run('get', 'all', '-n', 'shop')).stderr).toContain('No resources found')
  })

  async function gone(namespace: string, selector: string): Promise<void> {
    await expect
      .poll(() => ok('get', 'rs,pods', '-n', namespace, '-l', selector, '-o', 'name'), { timeout: 10_000 })
      .toBe('')
  }
})

function podSet(kind: string, name: string, more: object = {}): object {
  const labels = { app: name }
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: `${name}:1` }] } }
  const spec = { selector: { matchLabels: labels }, template, ...more }
  return { apiVersion: 'apps/v1', kind, metadata: { name, namespace: 'sets' }, spec }
}

/** Runs every placed pod at once: jobs end well, others become ready; what is told to go, goes. */
function fakeKubelet({ server }: TestApi): { stop(): void } {
  let hosts = 1
  const act = async (pod: ApiObject): Promise<void> => {
    const { namespace = '', name, deletionTimestamp, uid, resourceVersion } = pod.metadata
    const ref = { ...PODS, namespace, name }
    const { nodeName, containers } = pod.spec as { nodeName?: string; containers: readonly { image: string }[] }
    if (deletionTimestamp !== undefined) {
      await server.access.delete(ref, { gracePeriodSeconds: 0, preconditions: { uid } })
    } else if (nodeName !== undefined && (pod.status as { phase?: string }).phase === 'Pending') {
      const isJob = containers[0]?.image.startsWith('job')
      const condition = { type: 'Ready', status: 'True', lastTransitionTime: pod.metadata.creationTimestamp }
      const podIP = `10.244.1.${++hosts}`
      const old = (pod.status as { conditions?: readonly object[] }).conditions ?? []
      const status = isJob
        ? { phase: 'Succeeded' }
        : { phase: 'Running', conditions: [...old, condition], podIP, podIPs: [{ ip: podIP }] }
      await server.access.patch(ref, 'merge', { metadata: { resourceVersion }, status }, { subresource: 'status' })
    }
  }
  return server.access.watch(PODS, ({ type, object }) => {
    // A pod that changed or went in between comes again, or needs nothing more.
    if (type !== 'DELETED') void act(object).catch(() => undefined)
  })
}
