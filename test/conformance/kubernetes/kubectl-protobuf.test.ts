import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeProtobuf } from '../../../src/local/apiserver/protobuf/index.ts'
import { hasKubectl, kubectl } from '../../support/kube-api.ts'
import { MemoryCa } from '../../support/memory-ca.ts'

/** Commands whose objects kubectl sends as protobuf, or as JSON before 1.32; the table of kinds that must decode. */
const commands: readonly string[] = [
  'create namespace n',
  'create serviceaccount s',
  'create configmap c --from-literal=a=b --from-literal=empty=',
  'create secret generic s --from-literal=a=b --type=example.com/own',
  'create secret docker-registry r --docker-username=u --docker-password=p --docker-server=h',
  'create deployment d --image=i:1 --replicas=3 --port=80 -- run --now',
  'create service clusterip s --tcp=80:8080 --tcp=5678',
  'create service nodeport s --tcp=80:8080 --node-port=30080',
  'create service loadbalancer s --tcp=80:http',
  'create service externalname s --external-name=example.com',
  'create job j --image=i -- sleep 1',
  'create cronjob c --image=i --schedule=*/5+*+*+*+* -- sleep 1',
  'create ingress i --class=web --rule=a.example/x*=web:80,tls=t --default-backend=d:http --annotation=a=b',
  'create role r --verb=get,list --resource=pods,deployments.apps --resource-name=x',
  'create rolebinding b --role=r --serviceaccount=n:s --user=u --group=g',
  'create clusterrole r --verb=get --non-resource-url=/healthz',
  'create clusterrole r --aggregation-rule=a=b,c=d',
  'create clusterrolebinding b --clusterrole=view --user=u',
  'create poddisruptionbudget p --selector=app=x --min-available=50%',
  'create poddisruptionbudget p --selector=app=x --max-unavailable=1',
  'create quota q --hard=cpu=1500m,memory=2Gi,pods=10 --scopes=BestEffort',
  'create priorityclass p --value=-10 --description=low --preemption-policy=Never',
]

interface Sent {
  readonly contentType: string
  readonly body: Buffer
}

const isHere = hasKubectl(27)

/** Takes whatever is posted, and answers that the resource lists are empty enough for kubectl to go on. */
class Recorder {
  readonly sent: Sent[] = []
  readonly #server: Server

  constructor(ca: MemoryCa) {
    const { keyPem, certPem } = ca.server()
    this.#server = createServer({ key: keyPem, cert: certPem }, (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const path = new URL(request.url ?? '/', 'https://x').pathname
        if (request.method === 'POST') {
          this.sent.push({ contentType: request.headers['content-type'] ?? '', body: Buffer.concat(chunks) })
        }
        const found =
          request.method === 'GET' ? discovery[path] : { kind: 'Status', apiVersion: 'v1', status: 'Success' }
        response.writeHead(found === undefined ? 404 : request.method === 'POST' ? 201 : 200, {
          'content-type': 'application/json',
        })
        response.end(JSON.stringify(found ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }))
      })
    })
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

/** Roles are checked against the resources that there are. */
const discovery: Readonly<Record<string, unknown>> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: [
      {
        name: 'apps',
        versions: [{ groupVersion: 'apps/v1', version: 'v1' }],
        preferredVersion: { groupVersion: 'apps/v1', version: 'v1' },
      },
    ],
  },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [{ name: 'pods', namespaced: true, kind: 'Pod', verbs: ['get', 'list'] }],
  },
  '/apis/apps/v1': {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: 'apps/v1',
    resources: [{ name: 'deployments', namespaced: true, kind: 'Deployment', verbs: ['get', 'list'] }],
  },
}

describe.skipIf(!isHere)('what kubectl sends decodes to the JSON that it prints', () => {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-kubectl-'))
  const recorder = new Recorder(new MemoryCa())
  let url = ''
  beforeAll(async () => {
    url = await recorder.start()
  })
  afterAll(() => {
    recorder.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const run = (args: readonly string[]): ReturnType<typeof kubectl> =>
    kubectl({ dir, kubeconfig: join(dir, 'none') }, [
      `--server=${url}`,
      '--insecure-skip-tls-verify',
      '--token=any',
      ...args,
    ])

  it('at least some of it as protobuf, since 1.32', async () => {
    const { stdout } = await run(['version', '--client', '-o', 'json'])
    const { minor } = JSON.parse(stdout).clientVersion as { minor: string }
    await run(['create', 'namespace', 'n', '--validate=false'])
    expect(recorder.sent.at(-1)?.contentType.includes('protobuf')).toBe(Number.parseInt(minor, 10) >= 32)
  })

  it.each(commands)('kubectl %s', async (command) => {
    const [options, program] = command.split(' -- ')
    const args = (options ?? '').split(' ').map((word) => word.replaceAll('+', ' '))
    const tail = program === undefined ? [] : ['--', ...program.split(' ')]
    recorder.sent.length = 0

    const printed = await run([...args, '--dry-run=client', '-o', 'json', ...tail])
    expect(printed, printed.stderr).toMatchObject({ code: 0 })
    const posted = await run([...args, '--validate=false', ...tail])
    const sent = recorder.sent.at(-1)
    if (sent === undefined) throw new Error(`nothing was sent: ${posted.stderr}`)

    const wanted = withoutZeroes(JSON.parse(printed.stdout))
    if (sent.contentType.includes('protobuf')) {
      const outcome = decodeProtobuf(sent.body)
      expect(outcome.kind === 'decoded' ? withoutZeroes(outcome.object) : outcome).toEqual(wanted)
    } else {
      expect(withoutZeroes(JSON.parse(sent.body.toString()))).toEqual(wanted)
    }
  })
})

/** Go prints unset times as null, and the namespace only where it was chosen. */
function withoutZeroes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutZeroes)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, inner]) => inner !== null && name !== 'namespace')
      .map(([name, inner]) => [name, withoutZeroes(inner)]),
  )
}
