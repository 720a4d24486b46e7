import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ambit, pidNamespaceOf, tracesOf } from '../support/ambit.ts'
import { hasKubectl, type KubectlResult, kubectl } from '../support/kube-api.ts'
import { requirePrivileges } from '../support/privileges.ts'

const DENY_CLIENTS = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-clients, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  action: DENY
  rules: [{ from: [{ source: { principals: [cluster.local/ns/legacy/sa/client] } }] }]
`
const CHECKOUT = ['node', 'request.mjs', 'http://web.shop/checkout']

describe.runIf(requirePrivileges() && hasKubectl())('kubectl and a mesh on one machine', () => {
  let dir = ''
  let stateDir = ''
  let ambit: Ambit
  const k = (command: string, input = ''): Promise<KubectlResult> =>
    kubectl({ dir, kubeconfig: join(stateDir, 'kubeconfig') }, command.split(' '), input)
  const told = async (command: string, input = ''): Promise<string> => {
    const { code, stdout, stderr } = await k(command, input)
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' })
    return stdout
  }
  const ask = async (): Promise<string> =>
    (await ambit.run(['exec', '-n', 'legacy', 'client', '--', ...CHECKOUT])).stdout
  const untilAsked = (answer: RegExp): Promise<void> =>
    expect.poll(ask, { timeout: 5_000, interval: 50 }).toMatch(answer)

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-kubectl-'))
    stateDir = join(dir, 'state')
    ambit = new Ambit({ stateDir })
    expect(await ambit.run(['up', '--detach', '--demo'])).toMatchObject({ code: 0, stderr: '' })
  })
  afterAll(async () => {
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  })

  it('sees nodes, namespaces and running pods with their addresses; only the owner has its key', async () => {
    expect(await told('get nodes -o name')).toBe('node/node-a\nnode/node-b\n')
    expect(await told('wait --for=condition=Ready nodes --all --timeout=5s')).toContain('node-b condition met')
    expect((await told('get namespaces -o name')).split('\n')).toEqual(
      expect.arrayContaining(['namespace/shop', 'namespace/legacy', 'namespace/istio-system']),
    )
    const pods = await told('get pods -A -o wide')
    expect(pods).toMatch(/^shop +web +1\/1 +Running +0 +\S+ +10\.244\.1\.\d+ +node-a/m)
    expect(pods).toMatch(/^istio-system +ztunnel-node-a +1\/1 +Running/m)
    expect(await told('get service web -n shop')).toMatch(/web +ClusterIP +10\.96\.\d+\.\d+ +<none> +80\/TCP/)
    expect(await told('get endpointslices -n shop')).toMatch(/web-\S+ +IPv4 +8080 +10\.244\.1\.\d+/)
    expect(statSync(join(stateDir, 'kubeconfig')).mode & 0o777).toBe(0o600)
    expect((await ambit.run(['kubectl', 'get', 'pod', 'web', '-n', 'shop', '-o', 'name'])).stdout).toBe('pod/web\n')
  })

  // The time that users are promised, and kubectl's own; a machine that is busy with other things gets another chance.
  it('takes a namespace into the mesh by its label, within a second, and out again', { retry: 2 }, async () => {
    await told('label namespace legacy istio.io/dataplane-mode-')
    await ambit.until(({ pods }) => pods.every(({ namespace, captured }) => namespace !== 'legacy' || !captured))
    expect(await ask()).toMatch(/^200 /)
    const labelledMs = Date.now()
    await told('label namespace legacy istio.io/dataplane-mode=ambient')
    const captured = await ambit.until(({ pods }) =>
      pods.some((pod) => pod.namespace === 'legacy' && pod.name === 'client' && pod.captured),
    )
    expect(Date.now() - labelledMs).toBeLessThan(2_000)
    expect(captured.pods.find(({ namespace, name }) => namespace === 'legacy' && name === 'client')?.enrolled).toBe(
      true,
    )
    await expect
      .poll(async () => {
        expect(await ask()).toMatch(/^200 /)
        return (await ambit.run(['logs', 'ztunnel'])).stdout
      })
      .toContain('src.identity="spiffe://cluster.local/ns/legacy/sa/client"')
    expect(await told('get pod client -n legacy -o yaml')).toContain('ambient.istio.io/redirection: enabled')
    await told('label namespace legacy istio.io/dataplane-mode-')
    await ambit.until(({ pods }) => pods.every((pod) => pod.namespace !== 'legacy' || !pod.captured))
    expect(await ask()).toMatch(/^200 /)
    await told('label namespace legacy istio.io/dataplane-mode=ambient')
    await ambit.until(({ ready }) => ready)
  })

  it('applies a policy that holds at once, and lifts it by deleting it', async () => {
    await untilAsked(/^200 /)
    expect(await told('apply -f -', DENY_CLIENTS)).toContain('no-clients created')
    await expect.poll(ask, { timeout: 5_000, interval: 50 }).not.toMatch(/^200 /)
    await told('delete authorizationpolicy no-clients -n shop')
    await untilAsked(/^200 /)
  })

  it('refuses a field that does not exist, by its name', async () => {
    const { code, stderr } = await k('apply -f -', DENY_CLIENTS.replace('selector:', 'selectors:'))
    // Older ones look by themselves and leave the path out.
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/unknown field "(spec\.)?selectors"/) })
  })

  it('runs a deployment in the mesh, scales it, and deletes it with its pods', async () => {
    await told('create deployment idle -n shop --image=ambit/idle --replicas=3 -- sleep infinity')
    expect(await told('rollout status deployment/idle -n shop --timeout=20s')).toContain('successfully rolled out')
    const status = await ambit.until(({ ready }) => ready)
    const pods = status.pods.filter(({ name }) => name.startsWith('idle-'))
    expect(new Set(pods.map(({ node }) => node))).toEqual(new Set(['node-a', 'node-b']))
    expect(pods.map(({ captured }) => captured)).toEqual([true, true, true])
    await told('scale deployment/idle -n shop --replicas=1')
    await ambit.until((each) => each.pods.filter(({ name }) => name.startsWith('idle-')).length === 1)
    await told('delete deployment idle -n shop')
    await ambit.until((each) => each.pods.every(({ name }) => !name.startsWith('idle-')))
    expect(await told('get pods -n shop -l app=idle -o name')).toBe('')
  })

  it('says why a pod without command does not run', async () => {
    await told('run nginx --image=nginx')
    const reason = 'jsonpath={.status.containerStatuses[0].state.waiting.reason}'
    await expect.poll(() => told(`get pod nginx -o ${reason}`)).toBe('ErrImageNeverPull')
    expect(await told('describe pod nginx')).toContain('images are not pulled here')
    await told('delete pod nginx')
    await ambit.until(({ ready }) => ready)
  })

  it('deletes a namespace with everything in it', async () => {
    await told('create namespace short')
    await told('run idle -n short --image=ambit/idle --command -- sleep infinity')
    await told('wait --for=condition=Ready pod/idle -n short --timeout=10s')
    await told('delete namespace short --timeout=60s')
    expect((await ambit.status()).pods.some(({ namespace }) => namespace === 'short')).toBe(false)
  })

  it('leaves a file of a folder alone until it changes', async () => {
    const other = join(dir, 'other')
    const folder = mkdtempSync(join(dir, 'objects-'))
    const file = join(folder, 'a.yaml')
    const own = new Ambit({ stateDir: other })
    const get = (): Promise<KubectlResult> =>
      kubectl({ dir, kubeconfig: join(other, 'kubeconfig') }, [
        'get',
        'namespace',
        'mine',
        '-o',
        'jsonpath={.metadata.labels}',
      ])
    const yaml = (labels: string): string =>
      `apiVersion: v1\nkind: Namespace\nmetadata: { name: mine, labels: ${labels} }\n`
    try {
      writeFileSync(file, yaml('{ a: b, c: d }'))
      expect(await own.run(['up', '--detach', '--nodes', '1', '-f', folder])).toMatchObject({ code: 0 })
      await own.run(['kubectl', 'label', 'namespace', 'mine', 'by=hand'])
      writeFileSync(file, yaml('{ a: e }'))
      await expect
        .poll(async () => JSON.parse((await get()).stdout))
        .toEqual({ a: 'e', by: 'hand', 'kubernetes.io/metadata.name': 'mine' })
      rmSync(file)
      await expect.poll(async () => (await get()).stderr, { timeout: 10_000 }).toContain('not found')
    } finally {
      await own.run(['down'])
    }
  })

  it('is gone with the mesh', async () => {
    const before = tracesOf('none yet')
    const namespace = pidNamespaceOf((await ambit.status()).pid)
    expect(await ambit.run(['down'])).toMatchObject({ code: 0 })
    expect(tracesOf(namespace)).toEqual({ ...before, processes: [] })
    expect(readdirSync(stateDir)).toEqual(['istiod', 'pki', 'store'])
    expect(await ambit.run(['kubectl', 'get', 'pods'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no mesh is up'),
    })
  })
})
