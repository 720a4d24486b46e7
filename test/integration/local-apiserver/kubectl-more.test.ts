import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasKubectl, type KubectlResult, kubectl, startTestApi, type TestApi } from '../../support/kube-api.ts'

const isHere = hasKubectl(28)
let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api.close())

const run = (line: string, input = ''): Promise<KubectlResult> => kubectl(api, line.split(' '), input)
/** Its output; the test fails when it is refused. */
async function good(line: string, input = ''): Promise<string> {
  const result = await run(line, input)
  expect(result).toMatchObject({ code: 0 })
  return result.stdout
}

describe.skipIf(!isHere)('kubectl and nodes', () => {
  const node = `apiVersion: v1
kind: Node
metadata: {name: n1, labels: {node-role.kubernetes.io/worker: ""}}
spec: {podCIDR: 10.244.1.0/24}`

  it('shows their state, roles and addresses', async () => {
    await good('create -f -', node)
    const status = {
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
      nodeInfo: { kubeletVersion: 'v1.32' },
    }
    await kubectl(api, [
      'patch',
      'node',
      'n1',
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify({ status }),
    ])
    expect(await good('get nodes -o wide')).toMatch(/n1 +Ready +worker +\S+ +v1\.32 +10\.0\.0\.1/)
    expect(await good('describe node n1')).toMatch(/PodCIDR: +10\.244\.1\.0\/24/)
  })

  it('cordons, taints, drains and uncordons them', async () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'on-n1' },
      spec: { nodeName: 'n1', terminationGracePeriodSeconds: 0, containers: [{ name: 'a', image: 'a' }] },
    }
    await good('create -f -', JSON.stringify(pod))
    expect(await good('taint node n1 a=b:NoSchedule')).toContain('node/n1 tainted')
    expect(await good('drain n1 --force --ignore-daemonsets --timeout=10s')).toContain('node/n1 drained')
    expect(await good('get nodes')).toMatch(/n1 +Ready,SchedulingDisabled/)
    expect((await run('get pod on-n1')).code).toBe(1)
    expect(await good('uncordon n1')).toContain('node/n1 uncordoned')
  })
})

describe.skipIf(!isHere)('kubectl', () => {
  it('edits an object in place, and shows the mistake of an edit', async () => {
    await good('create cm edited --from-literal=a=1')
    const editor = join(api.dir, 'editor.sh')
    const edit = (script: string): Promise<KubectlResult> => {
      writeFileSync(editor, `#!/bin/sh\n${script}\n`)
      chmodSync(editor, 0o755)
      return kubectl(api, ['edit', 'cm', 'edited'], '', { EDITOR: editor })
    }
    expect((await edit(`sed -i 's/a: "1"/a: "2"/' "$1"`)).code).toBe(0)
    expect(await good('get cm edited -o jsonpath={.data.a}')).toBe('2')
  })

  it('replaces by force, and finds things by owner or label', async () => {
    await good('create cm forced --from-literal=a=1')
    const manifest =
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"forced","labels":{"x":"y"}},"data":{"a":"2"}}'
    expect(await good('replace --force -f -', manifest)).toContain('configmap/forced replaced')
    expect(await good('get cm -l x=y -o jsonpath={.items[*].data.a}')).toBe('2')
    expect(await good('label cm --all seen=1')).toContain('configmap/forced labeled')
  })

  it('applies a kustomization, and prunes what left it', async () => {
    const dir = join(api.dir, 'kustom')
    mkdirSync(dir, { recursive: true })
    const write = (names: string[]): void => {
      for (const name of names)
        writeFileSync(join(dir, `${name}.yaml`), `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`)
      writeFileSync(
        join(dir, 'kustomization.yaml'),
        `resources: [${names.map((name) => `${name}.yaml`).join(', ')}]\nlabels: [{pairs: {part: k}}]\n`,
      )
    }
    write(['k1', 'k2'])
    expect(await good(`apply -k ${dir}`)).toContain('configmap/k2 created')
    write(['k1'])
    expect(await good(`apply -k ${dir} --prune -l part=k --prune-allowlist=core/v1/ConfigMap`)).toContain(
      'configmap/k2 pruned',
    )
  })

  it('makes, shows and changes workloads of all kinds', async () => {
    await good('create deploy web --image=a --replicas=2')
    expect(await good('set env deploy/web A=b')).toContain('env updated')
    expect(await good('set resources deploy/web --limits=cpu=1,memory=1Gi')).toContain('resource requirements updated')
    expect(await good('set serviceaccount deploy/web web')).toContain('serviceaccount updated')
    expect(await good('get deploy web -o jsonpath={.spec.template.spec.containers[0].resources.requests.cpu}')).toBe(
      '1',
    )
    expect(await good('autoscale deploy web --max=3')).toContain('autoscaled')
    expect(await good('get hpa')).toMatch(/web +Deployment\/web .* 1 +3 +0/)
    expect(await good('create cronjob tick --image=a --schedule=@hourly')).toContain('created')
    expect(await good('get cj')).toMatch(/tick +@hourly +<none> +False +0 +<none>/)
    expect(await good('create pdb keep --selector=app=web --min-available=1')).toContain('created')
    expect(await good('get pdb')).toMatch(/keep +1 +N\/A +0/)
    expect(await good('create service externalname out --external-name=a.example')).toContain('created')
    expect(await good('get svc out')).toMatch(/out +ExternalName +<none> +a\.example/)
    expect(await good('describe hpa web')).toContain('Reference:')
  })

  it('names everything that can be listed, and lists it', async () => {
    const names = (await good('api-resources --verbs=list -o name')).trim().split('\n')
    expect(names.length).toBeGreaterThan(25)
    expect(await good(`get ${names.join(',')} -A -o name`)).toContain('namespace/default')
  })

  it('refuses an object that changed meanwhile', async () => {
    await good('create cm late --from-literal=a=1')
    const old = await good('get cm late -o json')
    await good('label cm late x=y')
    const result = await run('replace -f -', old)
    expect(result.stderr).toContain('Operation cannot be fulfilled on configmaps "late": the object has been modified')
  })
})
