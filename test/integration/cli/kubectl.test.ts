import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { KubeClient } from '../../support/kube-client.ts'
import { LocalPods } from '../../support/local-pods.ts'
import { type AmbitRun, ambit, RunningAmbit } from '../../support/run-ambit.ts'

const SHOP = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: colours, namespace: shop, labels: { app: web } }
data: { door: red }
`
const POD = `
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec: { nodeName: node-a, containers: [{ name: app, image: ambit/echo }] }
`

describe('ambit kubectl without a kubectl', () => {
  let api: TestApi
  let pods: LocalPods
  let dir = ''
  const start = (command: string, input = ''): RunningAmbit =>
    new RunningAmbit(['kubectl', ...command.split(' ')], { kubeconfig: api.kubeconfig, cwd: dir, input })
  const k = (command: string, input = ''): Promise<AmbitRun> => start(command, input).ended
  const told = async (command: string, input = ''): Promise<string> => {
    const { code, stdout, stderr } = await k(command, input)
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' })
    return stdout
  }

  beforeAll(async () => {
    pods = new LocalPods()
    api = await startTestApi({ backend: pods })
    dir = mkdtempSync(join(tmpdir(), 'ambit-cli-'))
    await told('apply -f -', SHOP)
    await told('apply -f -', POD)
    await told('apply -f - --force-conflicts', `${POD}status: { phase: Running }`)
  })
  afterAll(async () => {
    await api.close()
    rmSync(dir, { recursive: true, force: true })
  })

  describe('get', () => {
    it("prints the server's table: by kind, by name, by label, wide, in every namespace", async () => {
      expect(await told('get configmaps -n shop')).toMatch(/^NAME +DATA +AGE\n(.*\n)*colours +1 /)
      expect(await told('get cm colours -n shop')).toMatch(/^NAME +DATA +AGE\ncolours +1 +\S+\n$/)
      expect(await told('get cm/colours -n shop --no-headers')).toMatch(/^colours +1 +\S+\n$/)
      expect(await told('-n shop get pods -o wide')).toMatch(/^NAME .*NODE.*\nweb .*node-a/)
      expect(await told('get cm -A -l app=web')).toMatch(/^NAMESPACE +NAME .*\nshop +colours .*\n$/)
      expect(await told('get pods,cm -n shop -l app=web')).toMatch(
        /^NAME.*\npod\/web .*\n\nNAME.*\nconfigmap\/colours .*\n$/,
      )
      expect(await told('get ns --field-selector metadata.name=shop -o name')).toBe('namespace/shop\n')
    })

    it('prints objects as JSON and YAML, one as itself and several as a list, without their managers', async () => {
      const one = JSON.parse(await told('get cm colours -n shop -o json'))
      expect(one).toMatchObject({ kind: 'ConfigMap', data: { door: 'red' } })
      expect(one.metadata.managedFields).toBeUndefined()
      const list = parse(await told('get cm -n shop -l app=web -o yaml'))
      expect(list).toMatchObject({ kind: 'List', items: [{ kind: 'ConfigMap', apiVersion: 'v1' }] })
    })

    it('says what is not there: an object, a kind, anything at all', async () => {
      expect(await k('get cm other -n shop')).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/"other" not found/),
      })
      expect(await k('get nonsense')).toMatchObject({ code: 1, stderr: expect.stringMatching(/no kind nonsense/) })
      expect(await k('get services -n shop')).toEqual({
        code: 0,
        stdout: '',
        stderr: 'No resources found in shop namespace.\n',
      })
      expect(await k('get cm other -n shop --ignore-not-found')).toMatchObject({ code: 0, stderr: '' })
    })

    it('watches: rows as they change, until Ctrl-C', async () => {
      const watch = start('get cm -n shop -l app=watched -w')
      await told('apply -f -', SHOP.replaceAll('colours', 'sizes').replace('app: web', 'app: watched'))
      await expect.poll(() => watch.stdout).toMatch(/sizes +1 /)
      await told('label cm sizes -n shop more=yes')
      await expect.poll(() => watch.stdout.match(/^sizes /gm)?.length).toBe(2)
      watch.signal('SIGINT')
      expect(await watch.ended).toMatchObject({ code: 0, stderr: '' })
      await told('delete cm sizes -n shop')
    })
  })

  describe('get', () => {
    it('watches whole objects, and one by its name', async () => {
      const watch = start('get cm colours -n shop -w -o yaml')
      const named = start('get cm -n shop --field-selector metadata.name=colours -w -o name')
      await expect.poll(() => watch.stdout + named.stdout).toMatch(/kind: ConfigMap(.*\n)*configmap\/colours\n$/)
      await told('annotate cm colours -n shop watched=yes')
      await expect.poll(() => watch.stdout).toMatch(/\n---\n(.*\n)*kind: ConfigMap(.*\n)* +watched: yes\n/)
      await expect.poll(() => named.stdout).toBe('configmap/colours\nconfigmap/colours\n')
      for (const each of [watch, named]) each.signal('SIGTERM')
      expect(await Promise.all([watch.ended, named.ended])).toMatchObject([{ code: 0 }, { code: 0 }])
      await told('annotate cm colours -n shop watched-')
    })

    it('refuses what makes no sense together', async () => {
      expect(await k('get cm colours -A')).toMatchObject({ code: 1, stderr: expect.stringContaining('-A') })
      expect(await k('get cm,pods -w')).toMatchObject({ code: 1, stderr: expect.stringContaining('only one kind') })
    })
  })

  describe('apply', () => {
    it('creates, changes and leaves alone, from files, folders and standard input', async () => {
      const folder = join(dir, 'objects')
      mkdirSync(join(folder, 'deep'), { recursive: true })
      const map = (name: string, value: string): string =>
        `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name}, namespace: shop }\ndata: { a: ${value} }\n`
      writeFileSync(join(folder, 'a.yaml'), map('one', 'x'))
      writeFileSync(join(folder, 'b.json'), JSON.stringify(parse(map('two', 'x'))))
      writeFileSync(join(folder, 'notes.txt'), 'not a manifest')
      writeFileSync(join(folder, 'deep', 'c.yaml'), map('three', 'x'))
      expect(await told('apply -f objects')).toBe('configmap/one created\nconfigmap/two created\n')
      expect(await told('apply -f objects -R')).toBe(
        'configmap/one unchanged\nconfigmap/two unchanged\nconfigmap/three created\n',
      )
      writeFileSync(join(folder, 'a.yaml'), map('one', 'y'))
      expect(await told('apply -f objects/a.yaml -f objects/b.json')).toBe(
        'configmap/one configured\nconfigmap/two unchanged\n',
      )
      expect(await told('apply -f - --dry-run=server', map('four', 'x'))).toBe(
        'configmap/four created (server dry run)\n',
      )
      expect(await told('delete -f objects -R')).toBe(
        'configmap "one" deleted\nconfigmap "two" deleted\nconfigmap "three" deleted\n',
      )
      expect(await told('get cm one two three four -n shop --ignore-not-found')).toBe('')
    })

    it("refuses a field that does not exist with the server's words, with file and line, and applies the rest", async () => {
      const text = `${POD.replace('containers:', 'containerz:').replace('name: web', 'name: bad')}---${SHOP}`
      const { code, stdout, stderr } = await k('apply -f -', text)
      expect({ code, stdout }).toEqual({ code: 1, stdout: 'namespace/shop unchanged\nconfigmap/colours unchanged\n' })
      expect(stderr).toMatch(/^ambit: standard input:2: .*unknown field.*spec\.containerz/)
    })

    it('tells a conflict, and how to win it', async () => {
      await told('apply -f -', SHOP)
      const other = SHOP.replace('red', 'blue')
      const path = '/api/v1/namespaces/shop/configmaps/colours?fieldManager=somebody&force=true'
      await applyAs(api, path, parse(other.split('---')[1] ?? ''))
      expect(await k('apply -f -', SHOP)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/conflict.*\n?.*--force-conflicts takes the fields over/s),
      })
      expect(await told('apply -f - --force-conflicts', SHOP)).toContain('configmap/colours configured')
    })

    it.each([
      ['apply -f nowhere.yaml', '', /no file or folder nowhere.yaml/],
      ['apply -f -', 'kind: Pod', /standard input:1: apiVersion is missing/],
      ['apply -f -', 'a: [', /standard input:\d+: /],
      ['apply -f -', '', /no objects in -/],
      ['apply -f -', 'apiVersion: v9\nkind: Odd\nmetadata: { name: a }', /no kind Odd in v9/],
      ['apply -f https://example.com/a.yaml', '', /save it to a file first/],
      ['apply', '', /name files, folders or - with -f/],
    ])('%s of %j is refused with the reason', async (command, input, problem) => {
      expect(await k(command, input)).toMatchObject({ code: 1, stderr: expect.stringMatching(problem) })
    })
  })

  describe('label and annotate', () => {
    it('set, refuse to replace without --overwrite, and take away', async () => {
      expect(await told('label ns shop istio.io/dataplane-mode=ambient')).toBe('namespace/shop labeled\n')
      expect(await told('label ns/shop istio.io/dataplane-mode=ambient')).toBe('namespace/shop not labeled\n')
      expect(await k('label ns shop istio.io/dataplane-mode=none')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('--overwrite replaces it'),
      })
      expect(await told('label ns shop istio.io/dataplane-mode=none --overwrite')).toBe('namespace/shop labeled\n')
      expect(await told('label ns shop istio.io/dataplane-mode-')).toBe('namespace/shop unlabeled\n')
      expect(await told('annotate cm -l app=web -n shop note=a=b')).toBe('configmap/colours annotated\n')
      expect(JSON.parse(await told('get cm colours -n shop -o json')).metadata.annotations).toEqual({ note: 'a=b' })
      expect(await k('label cm other -n shop a=b')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('not found'),
      })
    })
  })

  describe('delete', () => {
    it('deletes by name, by label and all; waits until they are gone', async () => {
      for (const name of ['a', 'b', 'c'])
        await told('apply -f -', SHOP.replace('colours', name).replace('app: web', `app: ${name === 'c' ? 'd' : 'ab'}`))
      expect(await told('delete cm a -n shop')).toBe('configmap "a" deleted\n')
      expect(await told('delete cm -n shop -l app=ab')).toBe('configmap "b" deleted\n')
      expect(await k('delete cm a -n shop')).toMatchObject({ code: 1, stderr: expect.stringContaining('not found') })
      expect(await told('delete cm a -n shop --ignore-not-found=true --wait=false')).toBe('')
      expect(await k('delete cm -n shop')).toMatchObject({ code: 1, stderr: expect.stringContaining('--all') })
      await told('create namespace short')
      await told('apply -f -', SHOP.split('---')[1]?.replace('namespace: shop', 'namespace: short'))
      expect(await told('delete cm --all -n short')).toContain('configmap "colours" deleted\n')
      expect(await told('get cm -n short -o name --field-selector metadata.name=colours')).toBe('')
    })

    it('gives up waiting for what a finalizer holds, and says so', async () => {
      const held = SHOP.split('---')[1]?.replace('name: colours', 'name: held, finalizers: [example.com/a]')
      await told('apply -f -', held)
      expect(await k('delete cm held -n shop --timeout 200ms')).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/timed out after 0.2 s waiting for ConfigMap shop\/held: it is still there/),
      })
    })
  })

  describe('wait', () => {
    it('waits for a value, for a condition and for the end', async () => {
      expect(await told('wait --for=jsonpath={.data.door}=red cm/colours -n shop')).toBe(
        'configmap/colours condition met\n',
      )
      const value = k('wait --for=jsonpath={.data.door}=green cm colours -n shop')
      await told('apply -f -', SHOP.replace('red', 'green'))
      expect(await value).toMatchObject({ code: 0, stdout: 'configmap/colours condition met\n' })
      await told('apply -f -', SHOP.split('---')[1]?.replace('colours', 'going'))
      const end = k('wait --for=delete cm/going -n shop')
      await told('delete cm going -n shop')
      expect(await end).toMatchObject({ code: 0, stdout: 'configmap/going deleted\n' })
      expect(await k('wait --for=condition=Ready pod/web -n shop --timeout=100ms')).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/timed out after 0.1 s waiting for Pod shop\/web: /),
      })
      expect(await k('wait --for=condition=Ready pod/other -n shop')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('pod/other not found'),
      })
    })
  })

  describe('logs and exec', () => {
    it('shows logs with all flags, and follows them to their end', async () => {
      pods.write('first')
      pods.write('second')
      expect(await told('logs web -n shop --tail 1')).toBe('second\n')
      expect(await told('logs pod/web -n shop -c app --timestamps --since 5m -p')).toMatch(/^1970-\S+ first\n/)
      expect(pods.requests.at(-1)).toMatchObject({ container: 'app', timestamps: true, previous: true })
      const follow = start('logs web -n shop -f')
      await expect.poll(() => follow.stdout).toBe('first\nsecond\n')
      pods.write('third')
      await expect.poll(() => follow.stdout).toBe('first\nsecond\nthird\n')
      pods.endLogs()
      expect(await follow.ended).toMatchObject({ code: 0, stderr: '' })
      expect(await k('logs other -n shop')).toMatchObject({ code: 1, stderr: expect.stringContaining('not found') })
    })

    it('stops following at a signal', async () => {
      const follow = start('logs web -n shop -f')
      await expect.poll(() => follow.stdout).toContain('third\n')
      follow.signal('SIGINT')
      expect(await follow.ended).toMatchObject({ code: 0, stderr: '' })
    })

    it('runs commands with input, both outputs and the exit status', async () => {
      const run = (args: readonly string[], input = ''): Promise<AmbitRun> =>
        ambit(['kubectl', 'exec', '-n', 'shop', ...args], { kubeconfig: api.kubeconfig, input })
      expect(await run(['web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])).toEqual({
        code: 7,
        stdout: 'out\n',
        stderr: 'err\n',
      })
      expect(await run(['-i', 'web', '--', 'cat'], 'there and back')).toEqual({
        code: 0,
        stdout: 'there and back',
        stderr: '',
      })
      expect(await run(['-i', 'web', '--', 'wc', '-c'], 'x'.repeat(1_000_000))).toMatchObject({ stdout: '1000000\n' })
      expect((await run(['web', '--', 'head', '-c', '3000000', '/dev/zero'])).stdout).toHaveLength(3_000_000)
      expect(await run(['web', '--', 'no-such-program'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('no-such-program'),
      })
      expect(await run(['other', '--', 'true'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('not found'),
      })
    })
  })

  it('gives a command a terminal that has our size, and ours its own ways back', async () => {
    const args = ['kubectl', 'exec', '-n', 'shop', '-it', 'web', '--', 'sh', '-c', 'read line; echo "got $line"']
    const tty = { columns: 90, rows: 30 }
    const command = new RunningAmbit(args, { kubeconfig: api.kubeconfig, input: 'a line\n', tty })
    expect(await command.ended).toEqual({ code: 0, stdout: 'got a line\n', stderr: '' })
    expect(command.rawModes).toEqual([true, false])
    expect(pods.sizes).toContain('90x30')
    expect(await new RunningAmbit(args, { kubeconfig: api.kubeconfig, input: 'x\n' }).ended).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('no terminal for the command'),
    })
  })

  it('lists kinds', async () => {
    expect(await told('api-resources')).toMatch(
      /^NAME +SHORTNAMES +APIVERSION +NAMESPACED +KIND\n(.*\n)*configmaps +cm +v1 +true +ConfigMap\n/,
    )
    expect(await told('api-resources --api-group apps --namespaced true -o name')).toContain('deployments.apps\n')
  })

  it('shows what there is when nothing is asked for', async () => {
    expect(await k('--help')).toMatchObject({ code: 0, stdout: expect.stringMatching(/get \[options\]/) })
    expect(await k('get --help')).toMatchObject({ code: 0, stdout: expect.stringContaining('--ignore-not-found') })
    expect(await k('get pods --wide')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("unknown option '--wide'"),
    })
  })

  it('says of anything else that it needs kubectl, and where it is', async () => {
    expect(await k('rollout status deployment/web')).toEqual({
      code: 127,
      stdout: '',
      stderr: expect.stringMatching(/^ambit: kubectl is not installed, and "rollout" is not built in .*kubernetes\.io/),
    })
  })
})

async function applyAs(api: TestApi, path: string, body: unknown): Promise<void> {
  const client = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
  const { code, text } = await client.send('PATCH', path, { body, type: 'application/apply-patch+yaml' })
  client.close()
  expect({ code, text }).toMatchObject({ code: 200 })
}
