import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasKubectl, kubectl, kubectlMinor, startTestApi, type TestApi } from '../../support/kube-api.ts'

/** One line of a session: all run in this order against one server. */
interface Row {
  /** Split at spaces; `'…'` keeps them. */
  readonly command: string
  readonly input?: string
  /** Minor version of the first kubectl that has the command, or does this with it; the oldest tested is 1.20. */
  readonly since?: number
  /** What `kubectl edit` does to its file: a sed expression. */
  readonly edit?: string
  readonly expects: { readonly code?: number; readonly out?: RegExp; readonly err?: RegExp }
}

const web = (image: string, more = ''): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: m, labels: {app: web, part: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "${image}", env: [{name: A, value: "1"}, {name: B, value: "2"}]}
      ${more}
`
const sidecar = '- {name: log, image: log:1}'
const config = (name: string, value: string, label = 'set'): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: m, labels: {pruned: ${label}}}\ndata: {k: "${value}"}`

const claim =
  'apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: m}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n'
const limits =
  '\napiVersion: v1\nkind: LimitRange\nmetadata: {name: small, namespace: m}\nspec: {limits: [{type: Container, default: {cpu: 100m}}]}\n'
const everybody =
  '\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: open, namespace: m}\nspec: {podSelector: {}, ingress: [{}]}\n'
const storage =
  '\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\nprovisioner: example.com/none\n'

const jsonpath = (path: string): string => `-o 'jsonpath={${path}}'`

const rows: readonly Row[] = [
  // Making things, each in the form that this kubectl chooses (protobuf since 1.32).
  { command: 'create namespace m', expects: { out: /namespace\/m created/ } },
  { command: 'create serviceaccount s -n m', expects: { out: /serviceaccount\/s created/ } },
  { command: 'create token s -n m --audience=a --duration=20m', since: 24, expects: { out: /^\S+\.\S+\.\S+$/m } },
  {
    command: 'create configmap c -n m --from-literal=a=b --from-literal=c=d',
    expects: { out: /configmap\/c created/ },
  },
  { command: 'create secret generic s -n m --from-literal=a=b', expects: { out: /secret\/s created/ } },
  {
    command: 'create deployment d -n m --image=i:1 --replicas=2 --port=80',
    expects: { out: /deployment.apps\/d created/ },
  },
  { command: 'create service clusterip d -n m --tcp=80:8080', expects: { out: /service\/d created/ } },
  { command: 'create service nodeport np -n m --tcp=80:http', expects: { out: /service\/np created/ } },
  { command: 'create service externalname e -n m --external-name=example.com', expects: { out: /service\/e created/ } },
  { command: 'create job j -n m --image=i -- sleep 1', expects: { out: /job.batch\/j created/ } },
  {
    // Before, it asks for batch/v1beta1, which Kubernetes itself has no longer.
    command: "create cronjob cj -n m --image=i --schedule='*/5 * * * *'",
    since: 21,
    expects: { out: /cronjob.batch\/cj created/ },
  },
  { command: 'create ingress in -n m --rule=a.example/x=d:80', expects: { out: /ingress\S*\/in created/ } },
  { command: 'create role r -n m --verb=get --resource=pods', expects: { out: /role\S*\/r created/ } },
  { command: 'create rolebinding rb -n m --role=r --user=u', expects: { out: /rolebinding\S*\/rb created/ } },
  { command: 'create clusterrole cr --verb=get --resource=pods', expects: { out: /clusterrole\S*\/cr created/ } },
  {
    command: 'create clusterrolebinding crb --clusterrole=cr --user=u',
    expects: { out: /clusterrolebinding\S*\/crb created/ },
  },
  {
    // Before, policy/v1beta1.
    command: 'create pdb p -n m --selector=app=web --min-available=50%',
    since: 21,
    expects: { out: /poddisruptionbudget\S*\/p created/ },
  },
  // What is kept and does nothing here says so.
  {
    command: 'create quota q -n m --hard=pods=10',
    expects: { out: /resourcequota\/q created/, err: /Warning: ResourceQuotas are kept and not enforced/ },
  },
  {
    command: 'create priorityclass pc --value=10',
    expects: { out: /priorityclass\S*\/pc created/, err: /Warning: PriorityClasses are kept and change nothing/ },
  },
  { command: 'describe quota q -n m', expects: { out: /Name: +q/ } },
  {
    command: 'apply -f -',
    input: `${claim}---${limits}---${everybody}---${storage}`,
    expects: {
      out: /claim\/data created\nlimitrange\/small created\nnetworkpolicy\S+\/open created\nstorageclass\S+\/fast created/,
      err: /claims? stay Pending[\s\S]*LimitRanges are kept[\s\S]*NetworkPolicies are kept and not enforced[\s\S]*StorageClasses/i,
    },
  },
  {
    command: 'get pvc,pv,sc,limits,quota,pc,rc,podtemplates,ingressclass,runtimeclass -A',
    expects: { out: /data +Pending/ },
  },
  {
    command: `get deploy d -n m ${jsonpath('.spec.template.spec.containers[0].ports[0].containerPort')}`,
    expects: { out: /^80$/ },
  },
  { command: `get svc np -n m ${jsonpath('.spec.ports[0].targetPort')}`, expects: { out: /^http$/ } },
  { command: `get pdb p -n m ${jsonpath('.spec.minAvailable')}`, since: 21, expects: { out: /^50%$/ } },
  { command: `get secret s -n m ${jsonpath('.data.a')}`, expects: { out: /^Yg==$/ } },
  {
    command: `get deploy d -n m ${jsonpath('.spec.template.metadata.creationTimestamp')}`,
    expects: { out: /^(<nil>|null)?$/ },
  },
  {
    command: 'create configmap dry -n m --from-literal=a=b --dry-run=server -o name',
    expects: { out: /configmap\/dry/ },
  },
  { command: 'get configmap dry -n m --ignore-not-found -o name', expects: { out: /^$/ } },

  // Client-side apply: strategic merge with directives.
  { command: 'apply -f -', input: web('w:1', sidecar), expects: { out: /web created/ } },
  { command: 'apply -f -', input: web('w:1', sidecar), expects: { out: /web unchanged/ } },
  { command: 'apply -f -', input: web('w:2'), expects: { out: /web configured/ } },
  { command: `get deploy web -n m ${jsonpath('.spec.template.spec.containers[*].image')}`, expects: { out: /^w:2$/ } },
  { command: 'set env deploy/web -n m C=3 A-', expects: { out: /env updated/ } },
  {
    command: `get deploy web -n m ${jsonpath('.spec.template.spec.containers[0].env[*].name')}`,
    expects: { out: /^(B C|C B)$/ },
  },
  { command: 'set image deploy/web -n m web=w:3', expects: { out: /image updated/ } },
  {
    command: 'set resources deploy web -n m --limits=cpu=1,memory=1Gi',
    expects: { out: /resource requirements updated/ },
  },
  { command: 'set serviceaccount deploy web s -n m', expects: { out: /serviceaccount updated/ } },
  {
    command: `patch deploy web -n m -p {"spec":{"template":{"spec":{"containers":[{"name":"web","image":"w:4"}]}}}}`,
    expects: { out: /patched/ },
  },
  {
    command: `get deploy web -n m ${jsonpath('.spec.template.spec.containers[0].resources.limits.cpu')}`,
    expects: { out: /^1$/ },
  },
  {
    command: `patch deploy web -n m -p {"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}`,
    expects: { out: /patched/ },
  },
  { command: `get deploy web -n m ${jsonpath('.spec.strategy')}`, expects: { out: /^\{"type":"Recreate"\}$/ } },
  {
    command: `patch deploy web -n m -p {"spec":{"template":{"spec":{"containers":[{"image":"x"}]}}}}`,
    expects: { code: 1, err: /merge key: name/ },
  },
  {
    command: `patch deploy web -n m --type=json -p [{"op":"replace","path":"/spec/replicas","value":3}]`,
    expects: { out: /patched/ },
  },
  {
    command: `patch deploy web -n m --type=json -p [{"op":"remove","path":"/spec/nothing"}]`,
    expects: { code: 1, err: /nothing/ },
  },
  { command: `patch deploy web -n m --type=json -p [{"op":"bad","path":"/spec"}]`, expects: { code: 1, err: /op/ } },
  {
    command: `patch deploy web -n m --type=merge -p {"metadata":{"labels":{"part":null}}}`,
    expects: { out: /patched/ },
  },
  { command: `get deploy web -n m ${jsonpath('.metadata.labels.part')}`, expects: { out: /^$/ } },
  { command: 'edit deploy web -n m', edit: 's/replicas: 3/replicas: 4/', expects: { out: /web edited/ } },
  { command: `get deploy web -n m ${jsonpath('.spec.replicas')}`, expects: { out: /^4$/ } },
  { command: 'replace -f -', input: config('c', 'new'), expects: { out: /configmap\/c replaced/ } },
  { command: 'replace -f -', input: config('missing', 'x'), expects: { code: 1, err: /not found/ } },
  { command: 'apply view-last-applied deploy/web -n m', expects: { out: /image: w:2/ } },
  { command: 'label deploy web -n m a=1', expects: { out: /labeled/ } },
  { command: 'label deploy web -n m a=2', expects: { code: 1, err: /already has a value/ } },
  { command: 'label deploy web -n m a=2 --overwrite', expects: { out: /labeled/ } },
  { command: 'label deploy web -n m a-', expects: { out: /labeled/ } },
  { command: 'annotate deploy --all -n m note=x', expects: { out: /annotate/ } },
  { command: 'autoscale deploy web -n m --max=5', expects: { out: /autoscaled/ } },
  { command: 'rollout pause deploy/web -n m', expects: { out: /paused/ } },
  { command: 'rollout resume deploy/web -n m', expects: { out: /resumed/ } },

  // Sets of files.
  { command: 'apply -k KUSTOMIZE', expects: { out: /configmap\/one created[\s\S]*configmap\/two created/ } },
  { command: 'diff -k KUSTOMIZE', expects: {} },
  {
    command: 'apply -n m --prune -l pruned=set --prune-allowlist=core/v1/ConfigMap -f -',
    since: 26,
    input: config('keep', '1'),
    expects: { out: /keep created/ },
  },
  {
    command: 'apply -n m --prune -l pruned=set --prune-allowlist=core/v1/ConfigMap -f -',
    since: 26,
    input: config('other', '1'),
    expects: { out: /other created[\s\S]*configmap\/keep pruned/ },
  },

  // Server-side apply and its managers.
  { command: 'apply --server-side -f -', input: config('ssa', '1'), expects: { out: /ssa serverside-applied/ } },
  { command: 'apply --server-side -f -', input: config('ssa', '2'), expects: { out: /ssa serverside-applied/ } },
  {
    command: 'apply --server-side --field-manager=ci -f -',
    input: config('ssa', '3'),
    expects: { code: 1, err: /Apply failed with 1 conflict: conflict with "kubectl": \.data\.k/ },
  },
  {
    command: 'apply --server-side --field-manager=ci --dry-run=server --force-conflicts -o jsonpath={.data.k} -f -',
    input: config('ssa', '3'),
    expects: { out: /^3$/ },
  },
  { command: `get cm ssa -n m ${jsonpath('.data.k')}`, expects: { out: /^2$/ } },
  {
    command: 'apply --server-side --field-manager=ci --force-conflicts -f -',
    input: config('ssa', '3'),
    expects: { out: /serverside-applied/ },
  },
  {
    since: 21,
    command: `get cm ssa -n m --show-managed-fields ${jsonpath('range .metadata.managedFields[*]}{.manager} {end')}`,
    expects: { out: /^(ci kubectl|kubectl ci) $/ },
  },
  { command: 'apply -f -', input: config('moved', '1'), expects: { out: /moved created/ } },
  { command: 'apply --server-side -f -', input: config('moved', '2'), expects: { out: /serverside-applied/ } },
  {
    since: 21,
    command: `get cm moved -n m --show-managed-fields ${jsonpath('range .metadata.managedFields[*]}{.manager}={.operation} {end')}`,
    expects: { out: /^(kubectl(-last-applied)?=Apply ){2}$/ },
  },
  {
    command: 'apply --server-side -f -',
    input: config('moved', '3').replace(/\ndata.*/, ''),
    expects: { out: /applied/ },
  },
  { command: `get cm moved -n m ${jsonpath('.data')}`, expects: { out: /^$/ } },
  {
    command: 'apply --server-side -f -',
    input: web('w:5', '- {name: web, image: twice}'),
    expects: { code: 1, err: /duplicate entries for key/ },
  },

  // Asking about kinds, fields and rights.
  { command: 'explain pod --recursive', expects: { out: /containers[\s\S]*livenessProbe/ } },
  { command: 'explain deployment.spec.strategy.rollingUpdate', expects: { out: /maxSurge/ } },
  { command: 'explain customresourcedefinition.spec.versions', expects: { out: /additionalPrinterColumns/ } },
  {
    command: 'api-resources -o name',
    expects: { out: /validatingwebhookconfigurations\.admissionregistration\.k8s\.io/ },
  },
  { command: 'api-versions', expects: { out: /apps\/v1\n[\s\S]*storage\.k8s\.io\/v1\nv1/ } },
  { command: 'cluster-info', expects: { out: /is running at/ } },
  { command: 'get --raw /readyz', expects: { out: /^ok/ } },
  { command: 'get --raw /apis/apps/v1', expects: { out: /"statefulsets\/scale"/ } },
  { command: 'get --raw /metrics', expects: { code: 1, err: /NotFound/ } },
  { command: 'auth can-i delete pods -n m --as=nobody', expects: { code: 1, out: /no/ } },
  { command: 'get pods -n m --as=nobody', expects: { code: 1, err: /User "nobody" cannot list resource "pods"/ } },
  { command: 'get cm -n m --as=nobody --as-group=system:masters -o name', expects: { out: /configmap\/c/ } },
  { command: 'top nodes', expects: { code: 1, err: /[Mm]etrics/ } },
  { command: 'certificate approve nothing', expects: { code: 1, err: /certificatesigningrequests|resource mapping/ } },

  // Looking and taking away.
  { command: 'get cm -n m --server-print=false', expects: { out: /NAME +AGE\nc / } },
  {
    command: 'get cm -n m --chunk-size=1 -o name',
    expects: { out: /configmap\/c\n[\s\S]*configmap\/kube-root|configmap\/c\n/ },
  },
  { command: 'get cm -n m --field-selector=metadata.name=c -o name', expects: { out: /^configmap\/c\n$/ } },
  { command: 'get cm -n m --field-selector=data.k=1', expects: { code: 1, err: /field label not supported/ } },
  { command: 'get cm -n m --sort-by=.metadata.name -o custom-columns=N:.metadata.name', expects: { out: /N\nc\n/ } },
  {
    command: 'describe deploy,svc,cm,secret,sa,role,ing,cronjob,job,pdb,hpa,quota -n m',
    expects: { out: /Name: +web/ },
  },
  { command: 'describe ns m', expects: { out: /Resource Quotas\n +Name: +q/ } },
  { command: 'get events -n m', expects: {} },
  { command: 'get cm -n m -o name', expects: { out: /configmap\/c\n/ } },
  { command: 'get deploy -n m --show-labels', expects: { out: /LABELS[\s\S]*app=web/ } },
  { command: 'get deploy web -n m -o yaml', expects: { out: /apiVersion: apps\/v1\nkind: Deployment/ } },
  { command: "get deploy -n m -o go-template='{{range .items}}{{.metadata.name}} {{end}}'", expects: { out: /d web/ } },
  { command: 'auth can-i create pods -n m', expects: { out: /yes/ } },
  { command: 'auth can-i --list -n m', expects: { out: /Resources/ } },
  {
    command: "wait deploy/web -n m --for=jsonpath='{.spec.replicas}'=4 --timeout=3s",
    since: 23,
    expects: { out: /condition met/ },
  },
  { command: 'delete cm -n m -l pruned=set', expects: { out: /configmap ".*" deleted/ } },
  { command: 'delete deploy d -n m --cascade=orphan --wait=false', expects: { out: /"d" deleted/ } },
  { command: 'delete secret,svc --all -n m --now', expects: { out: /secret "s" deleted/ } },
  { command: 'delete cm nobody -n m --ignore-not-found', expects: {} },
  { command: 'delete ns m --wait=false', expects: { out: /"m" deleted/ } },
]

const isHere = hasKubectl()

describe.skipIf(!isHere)('the kubectl matrix', () => {
  let api: TestApi
  let kustomize = ''
  beforeAll(async () => {
    api = await startTestApi()
    kustomize = join(api.dir, 'kustomize')
    mkdirSync(kustomize)
    const files = { 'one.yaml': config('one', '1', 'none'), 'two.yaml': config('two', '2', 'none') }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(kustomize, name), text)
    writeFileSync(join(kustomize, 'kustomization.yaml'), `resources: [${Object.keys(files).join(', ')}]\n`)
  })
  afterAll(() => api.close())

  it('is no smaller than sixty commands', () => {
    expect(rows.length).toBeGreaterThanOrEqual(60)
  })

  for (const [index, { command, input, edit, since = 0, expects }] of rows.entries()) {
    it.skipIf(kubectlMinor() < since)(`${index + 1}: kubectl ${command}`, async () => {
      const words = [...command.replace('KUSTOMIZE', kustomize).matchAll(/'([^']*)'|(?:[^\s']|'[^']*')+/g)]
      const args = words.map(([word, quoted]) => quoted ?? word.replaceAll("'", ''))
      const environment = edit === undefined ? {} : { KUBE_EDITOR: `sed -i '${edit}'` }
      const result = await kubectl(api, args, input, environment)
      expect(result.code, result.stderr).toBe(expects.code ?? 0)
      if (expects.out !== undefined) expect(result.stdout).toMatch(expects.out)
      if (expects.err !== undefined) expect(result.stderr).toMatch(expects.err)
    })
  }
})
