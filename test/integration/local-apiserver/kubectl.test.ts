import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasKubectl, type KubectlResult, kubectl, startTestApi, type TestApi } from '../../support/kube-api.ts'

const deployment = (replicas: number, image = 'shop/web:1'): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "${image}", ports: [{containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
`

const crd = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.demo.dev}
spec:
  group: demo.dev
  names: {kind: Widget, plural: widgets, shortNames: [wd]}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer, default: 3}, replicas: {type: integer}}}
          status: {type: object, properties: {replicas: {type: integer}}}
`

interface Step {
  /** Split at spaces; `'…'` keeps them. */
  readonly run: string
  readonly input?: string
  /** Default 0. */
  readonly code?: number
  readonly stdout?: RegExp | string
  readonly stderr?: RegExp | string
}

/** What a user types, in this order, against one server; each line shows one behaviour. */
const session: readonly Step[] = [
  { run: 'version', stdout: /Server Version: v1\.32/ },
  { run: 'cluster-info', stdout: /control plane.*is running at/ },
  { run: 'auth whoami', stdout: /system:masters/ },
  { run: 'api-resources', stdout: /deployments +deploy +apps\/v1 +true +Deployment/ },
  { run: 'api-versions', stdout: /^v1$/m },
  { run: 'get ns', stdout: /^NAME +STATUS +AGE\ndefault +Active/ },
  { run: 'get ns default -o jsonpath={.metadata.labels}', stdout: '{"kubernetes.io/metadata.name":"default"}' },
  { run: 'create ns shop', stdout: 'namespace/shop created' },
  { run: 'create ns shop', code: 1, stderr: 'Error from server (AlreadyExists): namespaces "shop" already exists' },
  { run: 'create ns Shop_1', code: 1, stderr: /The Namespace "Shop_1" is invalid: metadata\.name: Invalid value/ },
  { run: 'label ns shop istio.io/dataplane-mode=ambient', stdout: 'namespace/shop labeled' },
  { run: 'get ns -L istio.io/dataplane-mode', stdout: /shop +Active +\S+ +ambient/ },
  { run: 'create sa cart -n shop', stdout: 'serviceaccount/cart created' },
  { run: 'create token cart -n shop', stdout: /^[\w-]+\.[\w-]+\.[\w-]+\n?$/ },
  { run: 'create cm settings -n shop --from-literal=a=b', stdout: 'configmap/settings created' },
  { run: 'create cm settings -n nowhere --from-literal=a=b', code: 1, stderr: 'namespaces "nowhere" not found' },
  { run: 'create secret generic key -n shop --from-literal=x=y', stdout: 'secret/key created' },
  { run: 'get cm,secret -n shop', stdout: /configmap\/settings +1[\s\S]*secret\/key +Opaque +1/ },
  { run: 'get secret key -n shop -o jsonpath={.data.x}', stdout: 'eQ==' },
  { run: 'apply -n shop -f -', input: deployment(2), stdout: 'deployment.apps/web created\nservice/web created' },
  { run: 'apply -n shop -f -', input: deployment(2), stdout: 'deployment.apps/web unchanged\nservice/web unchanged' },
  { run: 'diff -n shop -f -', input: deployment(2) },
  { run: 'diff -n shop -f -', input: deployment(3), code: 1, stdout: /^\+ {2}replicas: 3$/m },
  {
    run: 'apply -n shop -f - --dry-run=server',
    input: deployment(3),
    stdout: /deployment.apps\/web configured \(server dry run\)/,
  },
  { run: 'get deploy web -n shop -o jsonpath={.spec.replicas},{.metadata.generation}', stdout: '2,1' },
  { run: 'apply -n shop -f -', input: deployment(3), stdout: 'deployment.apps/web configured\nservice/web unchanged' },
  {
    run: 'get deploy,svc -n shop -o wide',
    stdout: /deployment\.apps\/web +0\/3 .* web +shop\/web:1 +app=web[\s\S]*service\/web +ClusterIP/,
  },
  { run: 'get all -n shop', stdout: /service\/web[\s\S]*deployment\.apps\/web/ },
  { run: 'scale deploy web -n shop --replicas=5', stdout: 'deployment.apps/web scaled' },
  {
    run: 'scale deploy web -n shop --replicas=9 --current-replicas=2',
    code: 1,
    stderr: /Expected replicas to be 2, was 5/,
  },
  { run: 'set image deploy/web -n shop web=shop/web:2', stdout: 'deployment.apps/web image updated' },
  { run: 'rollout restart deploy/web -n shop', stdout: 'deployment.apps/web restarted' },
  { run: 'patch deploy web -n shop -p {"spec":{"replicas":6}}', stdout: 'deployment.apps/web patched' },
  { run: 'patch deploy web -n shop -p {"spec":{"replicas":6}}', stdout: 'deployment.apps/web patched (no change)' },
  { run: 'patch deploy web -n shop --type=merge -p {"spec":{"paused":true}}', stdout: 'deployment.apps/web patched' },
  {
    run: 'patch deploy web -n shop --type=json -p [{"op":"test","path":"/spec/replicas","value":1}]',
    code: 1,
    stderr: /is invalid/,
  },
  {
    run: 'patch deploy web -n shop --type=merge --subresource=status -p {"status":{"readyReplicas":4}}',
    stdout: 'deployment.apps/web patched',
  },
  { run: 'get deploy web -n shop', stdout: /web +4\/6/ },
  { run: 'describe deploy web -n shop', stdout: /Replicas: +6 desired/ },
  { run: 'describe svc web -n shop', stdout: /TargetPort: +8080\/TCP/ },
  { run: 'describe ns shop', stdout: /istio\.io\/dataplane-mode=ambient/ },
  { run: 'annotate deploy web -n shop note=x', stdout: 'deployment.apps/web annotated' },
  { run: 'run cart -n shop --image=shop/cart --labels=app=cart', stdout: 'pod/cart created' },
  { run: 'get pods -n shop -o wide', stdout: /cart +0\/1 +Pending +0 +\S+ +<none> +<none>/ },
  { run: 'get pods -A -l app=cart -o name', stdout: 'pod/cart' },
  { run: "get pods -A -l 'app in (cart,x),!y,app!=z' -o name", stdout: 'pod/cart' },
  { run: 'get pods -n shop -l app=web', stderr: 'No resources found in shop namespace.' },
  { run: 'get pods -n shop --field-selector=status.phase=Pending,metadata.name!=x -o name', stdout: 'pod/cart' },
  { run: 'get pods -n shop --field-selector=foo=bar', code: 1, stderr: /field label not supported: foo/ },
  { run: 'get pods -A --chunk-size=1 --sort-by=.metadata.name -o custom-columns=N:.metadata.name', stdout: 'N\ncart' },
  {
    run: 'get pod cart -n shop -o jsonpath={.spec.serviceAccountName},{.status.qosClass}',
    stdout: 'default,BestEffort',
  },
  { run: 'expose pod cart -n shop --port=80', stdout: 'service/cart exposed' },
  { run: 'create deploy two -n shop --image=a', stdout: 'deployment.apps/two created' },
  { run: 'create job once -n shop --image=a', stdout: 'job.batch/once created' },
  { run: 'get job -n shop', stdout: /once +Running +0\/1/ },
  { run: 'create ingress in -n shop --rule=a.example/*=web:80', stdout: 'ingress.networking.k8s.io/in created' },
  {
    run: 'create role reader -n shop --verb=get,list --resource=pods',
    stdout: 'role.rbac.authorization.k8s.io/reader created',
  },
  { run: 'auth can-i list pods -n shop --as=system:serviceaccount:shop:cart', code: 1, stdout: 'no' },
  {
    run: 'create rolebinding b -n shop --role=reader --serviceaccount=shop:cart',
    stdout: 'rolebinding.rbac.authorization.k8s.io/b created',
  },
  { run: 'auth can-i list pods -n shop --as=system:serviceaccount:shop:cart', stdout: 'yes' },
  { run: 'get pods -n shop --as=system:serviceaccount:shop:cart', stdout: /cart +0\/1/ },
  {
    run: 'get secrets -n shop --as=system:serviceaccount:shop:cart',
    code: 1,
    stderr:
      'Error from server (Forbidden): secrets is forbidden: User "system:serviceaccount:shop:cart" cannot list resource "secrets" in API group "" in the namespace "shop"',
  },
  { run: 'get --raw /healthz', stdout: 'ok' },
  { run: 'get --raw /readyz', stdout: 'ok' },
  { run: 'apply --server-side -n shop -f -', input: deployment(4), stdout: 'deployment.apps/web serverside-applied' },
  {
    run: 'apply --server-side -n shop --field-manager=other -f -',
    input: deployment(7),
    code: 1,
    stderr: /conflict with "kubectl".*:\s*\.spec\.replicas/,
  },
  {
    run: 'apply --server-side -n shop --field-manager=other --force-conflicts -f -',
    input: deployment(7),
    stdout: 'deployment.apps/web serverside-applied',
  },
  {
    run: 'get deploy web -n shop --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}',
    stdout: /other/,
  },
  { run: 'explain pod.spec.containers.image', stdout: /FIELD: image <string>/ },
  { run: 'explain deploy.spec.strategy --recursive', stdout: /rollingUpdate/ },
  { run: 'apply -f -', input: crd, stdout: 'customresourcedefinition.apiextensions.k8s.io/widgets.demo.dev created' },
  { run: 'wait --for=condition=Established crd/widgets.demo.dev --timeout=5s', stdout: /condition met/ },
  {
    run: 'apply -n shop -f -',
    input: 'apiVersion: demo.dev/v1\nkind: Widget\nmetadata: {name: w}\nspec: {replicas: 1}',
    stdout: 'widget.demo.dev/w created',
  },
  {
    run: 'apply -n shop -f -',
    input: 'apiVersion: demo.dev/v1\nkind: Widget\nmetadata: {name: w}\nspec: {replcas: 1}',
    code: 1,
    stderr: /unknown field "spec\.replcas"/,
  },
  { run: 'get wd -n shop', stdout: /^NAME +SIZE\nw +3/ },
  { run: 'scale wd w -n shop --replicas=4', stdout: 'widget.demo.dev/w scaled' },
  { run: 'patch wd w -n shop --type=merge -p {"spec":{"size":7}}', stdout: 'widget.demo.dev/w patched' },
  { run: 'explain wd.spec.size', stdout: /FIELD: size <integer>/ },
  // kubectl learns from a 404 of no object that nobody has ephemeral containers.
  { run: 'debug cart -n shop --image=any', code: 1, stderr: /ephemeral containers are disabled for this cluster/ },
  { run: 'delete pod cart -n shop', stdout: 'pod "cart" deleted' },
  { run: 'wait --for=delete pod/cart -n shop --timeout=5s' },
  { run: 'get pod cart -n shop', code: 1, stderr: 'Error from server (NotFound): pods "cart" not found' },
  { run: 'get nonsense', code: 1, stderr: /the server doesn't have a resource type "nonsense"/ },
  { run: 'delete -n shop -f -', input: deployment(3), stdout: 'deployment.apps "web" deleted\nservice "web" deleted' },
  { run: 'delete deploy --all -n shop', stdout: 'deployment.apps "two" deleted' },
  { run: 'delete crd widgets.demo.dev', stdout: /deleted/ },
  {
    run: 'get wd -n shop',
    code: 1,
    stderr: /the server doesn't have a resource type "wd"|could not find the requested resource/,
  },
  { run: 'get events -A', stderr: 'No resources found' },
]

function argumentsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '')
}

const isHere = hasKubectl(28)
let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api.close())

function check(step: Step, result: KubectlResult): void {
  expect({ code: result.code, ...(result.code === (step.code ?? 0) ? {} : result) }).toEqual({ code: step.code ?? 0 })
  for (const stream of ['stdout', 'stderr'] as const) {
    const wanted = step[stream]
    if (typeof wanted === 'string') expect(result[stream]).toContain(wanted)
    else if (wanted !== undefined) expect(result[stream]).toMatch(wanted)
  }
}

describe.skipIf(!isHere)('a session with kubectl', () => {
  for (const [i, step] of session.entries())
    it(`${i + 1}: kubectl ${step.run}${step.code === 1 ? ' (refused)' : ''}`, async () => {
      check(step, await kubectl(api, argumentsOf(step.run), step.input))
    })
})

describe.skipIf(!isHere)('manifests with mistakes', () => {
  const pod = (spec: string): string => `apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: ${spec}`
  const rows: readonly [string, string, RegExp][] = [
    [
      'a field that does not exist',
      pod('{containers: [{name: a, image: b, imagee: c}]}'),
      /strict decoding error: unknown field "spec\.containers\[0\]\.imagee"/,
    ],
    [
      'a field of metadata that does not exist',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad, lables: {}}',
      /unknown field "metadata\.lables"/,
    ],
    ['a number where text belongs', pod('{containers: [{name: 5, image: b}]}'), /containers\[0\]\.name.*string/],
    ['no containers', pod('{containers: []}'), /spec\.containers: Required value/],
    [
      'a mount of a volume that is not there',
      pod('{containers: [{name: a, image: b, volumeMounts: [{name: v, mountPath: /v}]}]}'),
      /volumeMounts\[0\]\.name: Not found: "v"/,
    ],
    [
      'a word that is not in the list',
      pod('{restartPolicy: Sometimes, containers: [{name: a, image: b}]}'),
      /spec\.restartPolicy: Unsupported value: "Sometimes"/,
    ],
    [
      'a Service without ports',
      'apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {selector: {a: b}}',
      /spec\.ports: Required value/,
    ],
    [
      'a selector that misses its template',
      deployment(1).replace('labels: {app: web}}\n    spec', 'labels: {app: other}}\n    spec'),
      /`selector` does not match template `labels`/,
    ],
    [
      'a service account that is not there',
      pod('{serviceAccountName: nobody, containers: [{name: a, image: b}]}'),
      /serviceaccount "nobody" not found/,
    ],
  ]
  it.each(rows)('are refused by name: %s', async (_what, manifest, message) => {
    const result = await kubectl(api, ['create', '-f', '-'], manifest)
    expect(result.code).toBe(1)
    expect(result.stderr).toMatch(message)
  })

  it('are taken with a warning when the user asks for that', async () => {
    const manifest = pod('{containers: [{name: a, image: b}], replcas: 1}')
    const result = await kubectl(api, ['create', '--validate=warn', '-f', '-'], manifest)
    expect(result).toMatchObject({ code: 0, stderr: 'Warning: unknown field "spec.replcas"\n' })
    const stored = await kubectl(api, ['get', 'pod', 'bad', '-o', 'jsonpath={.spec.replcas}'])
    expect(stored.stdout).toBe('')
  })
})

describe.skipIf(!isHere)('kubectl get --watch', () => {
  it('shows what comes and goes', async () => {
    const path = join(api.dir, 'watched.yaml')
    writeFileSync(path, 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: watched, labels: {w: "1"}}')
    const watching = kubectl(api, ['get', 'cm', '-l', 'w', '--watch', '--output-watch-events', '--request-timeout=3s'])
    await kubectl(api, ['apply', '-f', path])
    await kubectl(api, ['label', 'cm', 'watched', 'w-'])
    const { stdout } = await watching
    expect(stdout).toMatch(/ADDED +watched[\s\S]*DELETED +watched/)
  })
})
