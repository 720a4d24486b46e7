import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ambit } from '../support/ambit.ts'
import { hasKubectl, type KubectlResult, kubectl } from '../support/kube-api.ts'
import { requirePrivileges } from '../support/privileges.ts'

const POD = `
apiVersion: v1
kind: Pod
metadata: { name: full, labels: { app: full } }
spec:
  volumes:
    - { name: settings, configMap: { name: settings } }
    - { name: login, secret: { secretName: login, defaultMode: 0400 } }
    - { name: shared, emptyDir: {} }
    - { name: memory, emptyDir: { medium: Memory, sizeLimit: 1Mi } }
    - name: all
      projected:
        sources:
          - serviceAccountToken: { path: token, audience: vault, expirationSeconds: 600 }
          - downwardAPI: { items: [{ path: labels, fieldRef: { fieldPath: metadata.labels } }] }
          - secret: { name: login, items: [{ key: password, path: deep/password }] }
  containers:
    - name: writer
      image: none
      command: [sh, -c, 'echo "$(GREETING) from $(POD)" > /shared/word; exec sleep infinity']
      env:
        - { name: GREETING, valueFrom: { configMapKeyRef: { name: settings, key: greeting } } }
        - { name: POD, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
        - { name: IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
        - { name: NODE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }
        - { name: CPU, valueFrom: { resourceFieldRef: { resource: limits.cpu, divisor: 1m } } }
      envFrom: [{ secretRef: { name: login }, prefix: LOGIN_ }]
      resources: { limits: { cpu: 250m } }
      volumeMounts:
        - { name: settings, mountPath: /etc/settings }
        - { name: settings, mountPath: /etc/one.conf, subPath: greeting }
        - { name: login, mountPath: /var/lib/app/login }
        - { name: shared, mountPath: /shared }
        - { name: memory, mountPath: /memory }
        - { name: all, mountPath: /all }
    - name: reader
      image: none
      command: [sleep, infinity]
      securityContext: { readOnlyRootFilesystem: true }
      volumeMounts: [{ name: shared, mountPath: /from/writer, readOnly: true }]
`
/** As an in-cluster client does it. */
const ASK_API = `
const fs = require('fs'), dir = '/var/run/secrets/kubernetes.io/serviceaccount/'
const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
const headers = { authorization: 'Bearer ' + fs.readFileSync(dir + 'token') }
const path = '/api/v1/namespaces/' + fs.readFileSync(dir + 'namespace') + '/configmaps/settings'
require('https').get({ host, port, path, headers, ca: fs.readFileSync(dir + 'ca.crt') }, (response) => {
  let text = ''
  response.on('data', (piece) => { text += piece })
  response.on('end', () => console.log(response.statusCode, JSON.parse(text).data?.greeting ?? JSON.parse(text).message))
})`
const IMAGES = `
images:
  - image: company/server:1.*
    command: [node, server.mjs]
    args: [from the image]
    env: { PLACE: here }
    workingDir: app
`
const FOLDER = `
apiVersion: v1
kind: ConfigMap
metadata: { name: of-folder }
data: { greeting: from a file }
---
apiVersion: v1
kind: Secret
metadata: { name: of-folder }
stringData: { password: in a file }
---
apiVersion: v1
kind: Pod
metadata: { name: of-folder }
spec:
  containers:
    - name: c
      command: [sh, -c, 'cat /config/* /secret/*; exec sleep infinity']
      volumeMounts: [{ name: config, mountPath: /config }, { name: secret, mountPath: /secret }]
  volumes: [{ name: config, configMap: { name: of-folder } }, { name: secret, secret: { secretName: of-folder } }]
`
const SERVER = `
import { createServer } from 'node:http'
createServer((_, response) => response.end([process.argv[2], process.env.PLACE].join())).listen(8080)
`

describe.runIf(requirePrivileges() && hasKubectl())('what a pod is made of, on one machine', () => {
  let dir = ''
  let stateDir = ''
  let ambit: Ambit
  let machine: readonly (readonly string[])[]
  const look = (): readonly (readonly string[])[] => ['/', '/etc', '/var/lib'].map((path) => readdirSync(path))
  const k = (args: readonly string[], input = ''): Promise<KubectlResult> =>
    kubectl({ dir, kubeconfig: join(stateDir, 'kubeconfig') }, args, input)
  const told = async (command: string, input = ''): Promise<string> => {
    const { code, stdout, stderr } = await k(command.split(' '), input)
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' })
    return stdout
  }
  const inside = async (container: string, ...command: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await ambit.run(['exec', 'full', '-c', container, '--', ...command])
    expect(stderr).toBe('')
    return stdout
  }
  const waitingReason = (pod: string): Promise<string> =>
    told(`get pod ${pod} -o jsonpath={.status.containerStatuses[0].state.waiting.reason}`)

  beforeAll(async () => {
    machine = look()
    dir = mkdtempSync(join(tmpdir(), 'ambit-pod-config-'))
    stateDir = join(dir, 'state')
    writeFileSync(join(dir, 'images.yaml'), IMAGES)
    const app = join(dir, 'app')
    mkdirSync(app)
    writeFileSync(join(app, 'server.mjs'), SERVER)
    const folder = join(dir, 'folder')
    mkdirSync(folder)
    writeFileSync(join(folder, 'pod.yaml'), FOLDER)
    ambit = new Ambit({ stateDir })
    const flags = ['--nodes', '1', '--images', join(dir, 'images.yaml'), '-f', folder]
    const up = await ambit.run(['up', '--detach', ...flags])
    expect(up).toMatchObject({ code: 0, stderr: '' })
    await told('create configmap settings --from-literal=greeting=hello')
    await told('create secret generic login --from-literal=password=s3cret')
    await told('apply -f -', POD)
    await told('wait --for=condition=Ready pod/full --timeout=15s')
  })
  afterAll(async () => {
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
    expect(look()).toEqual(machine)
  })

  it('has the environment that it asks for', async () => {
    const values = await inside('writer', 'sh', '-c', 'echo "$GREETING $LOGIN_password $IP $NODE $CPU $HOSTNAME"')
    expect(values).toMatch(/^hello s3cret 10\.244\.1\.\d+ node-a 250 full\n$/)
    const variables = await inside('writer', 'sh', '-c', 'env | grep KUBERNETES | sort')
    expect(variables).toContain('KUBERNETES_SERVICE_HOST=10.96.0.1\nKUBERNETES_SERVICE_PORT=443\n')
  })

  it('has its ConfigMap, Secret and projected files where it wants them, and no other container has', async () => {
    const script = 'cat /etc/settings/greeting /etc/one.conf /var/lib/app/login/password /all/deep/password /all/labels'
    expect(await inside('writer', 'sh', '-c', script)).toBe('hellohellos3crets3cretapp="full"')
    expect(
      await inside('writer', 'sh', '-c', 'stat -Lc %a /var/lib/app/login/password; df --output=size /memory'),
    ).toMatch(/^400\n.*\n *1024\n$/)
    expect(await inside('reader', 'sh', '-c', 'ls /etc/settings /all /memory 2> /dev/null || echo none')).toBe('none\n')
  })

  it('shares an emptyDir between its containers, one of which cannot write anywhere', async () => {
    expect(await inside('reader', 'cat', '/from/writer/word')).toBe('hello from full\n')
    const script = 'for f in /x /etc/x /from/writer/x; do touch $f 2> /dev/null && echo $f; done; echo done'
    expect(await inside('reader', 'sh', '-c', script)).toBe('done\n')
  })

  it('sees a changed ConfigMap and label in its files, but not in its environment', async () => {
    await told('patch configmap settings -p {"data":{"greeting":"changed"}}')
    await told('label pod full more=yes')
    await expect.poll(() => inside('writer', 'cat', '/etc/settings/greeting')).toBe('changed')
    await expect.poll(() => inside('writer', 'cat', '/all/labels')).toBe('app="full"\nmore="yes"')
    expect(await inside('writer', 'cat', '/etc/one.conf')).toBe('hello')
  })

  it("asks the API with its account's token, as far as its account may", async () => {
    expect(await inside('reader', 'node', '-e', ASK_API)).toMatch(/^403 configmaps "settings" is forbidden/)
    await told('create role reader --verb=get --resource=configmaps')
    await told('create rolebinding reader --role=reader --serviceaccount=default:default')
    await expect.poll(() => inside('reader', 'node', '-e', ASK_API)).toBe('200 changed\n')
    const [, claims = ''] = (await inside('writer', 'cat', '/all/token')).split('.')
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      aud: ['vault'],
      sub: 'system:serviceaccount:default:default',
      'kubernetes.io': { pod: { name: 'full' }, node: { name: 'node-a' } },
    })
  })

  it('waits for a ConfigMap that is missing, and starts as soon as it comes', async () => {
    const spec = { containers: [{ name: 'c', image: 'ambit/echo', envFrom: [{ configMapRef: { name: 'late' } }] }] }
    await told('apply -f -', JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'waits' }, spec }))
    await expect.poll(() => told('get pod waits -o yaml')).toContain('configmap "late" not found')
    await told('create configmap late --from-literal=a=b')
    await told('wait --for=condition=Ready pod/waits --timeout=20s')
  })

  it('runs images that the mesh knows or was told of, and says what to do for others', async () => {
    await told('run echo --image=docker.io/ambit/echo:1.0')
    await told('run server --image=company/server:1.4')
    await told('run other --image=company/server:2.0')
    await told('wait --for=condition=Ready pod/echo pod/server --timeout=15s')
    const get = (url: string): Promise<string> =>
      inside('reader', 'node', '-e', `fetch("${url}").then(async (r) => console.log(r.status, await r.text()))`)
    const ipOf = (pod: string): Promise<string> => told(`get pod ${pod} -o jsonpath={.status.podIP}`)
    await expect.poll(async () => get(`http://${await ipOf('echo')}:8080/status/418`)).toMatch(/^418 .*"pod":"echo"/)
    await expect.poll(async () => get(`http://${await ipOf('server')}:8080/`)).toBe('200 from the image,here\n')
    await expect.poll(() => waitingReason('other')).toBe('ErrImageNeverPull')
    expect(await told('describe pod other')).toContain('or map the image with "ambit up --images FILE"')
  })

  it('refuses what would not be as in a cluster, by its name', async () => {
    const spec = {
      hostNetwork: true,
      containers: [{ name: 'c', image: 'ambit/echo', securityContext: { privileged: true } }],
    }
    await told('apply -f -', JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'refused' }, spec }))
    await expect.poll(() => waitingReason('refused')).toBe('CreateContainerConfigError')
    const said = await told('describe pod refused')
    expect(said).toContain('spec.hostNetwork is not supported on one machine')
    expect(said).toContain('spec.containers[0].securityContext.privileged is not supported on one machine')
  })

  it('runs pods of a folder of YAML with the ConfigMaps and Secrets of it', async () => {
    const { stdout } = await ambit.run(['exec', 'of-folder', '--', 'sh', '-c', 'cat /config/greeting /secret/password'])
    expect(stdout).toBe('from a filein a file')
  })

  it('removes the files of a pod with it', async () => {
    const uid = await told('get pod full -o jsonpath={.metadata.uid}')
    expect(readdirSync(join(stateDir, 'pods', uid, 'volumes'))).toContain('login')
    await told('delete pod full --now')
    await expect.poll(() => readdirSync(join(stateDir, 'pods'))).not.toContain(uid)
  })

  it('does not start with a mistake in the file of images, which is told by line', async () => {
    const other = new Ambit({ stateDir: join(dir, 'other') })
    writeFileSync(join(dir, 'wrong.yaml'), 'images:\n  - image: a\n')
    const { code, stderr } = await other.run(['up', '--detach', '--no-demo', '--images', join(dir, 'wrong.yaml')])
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('wrong.yaml:2: images[0].command is missing'),
    })
    await other.run(['down'])
  })
})
