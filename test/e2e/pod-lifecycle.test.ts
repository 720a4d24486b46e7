import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ambit } from '../support/ambit.ts'
import { hasKubectl, kubectl } from '../support/kube-api.ts'
import { requirePrivileges } from '../support/privileges.ts'

/** A grace that nobody waits for: longer than any test may run. */
const AN_HOUR = 3_600

const NAMESPACES = `
apiVersion: v1
kind: Namespace
metadata: { name: app, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Namespace
metadata: { name: plain }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: app }
spec: { mtls: { mode: STRICT } }
`

describe.runIf(requirePrivileges() && hasKubectl())('the life of a pod on one machine', () => {
  let dir = ''
  let stateDir = ''
  let ambit: Ambit
  const told = async (command: string, input = ''): Promise<string> => {
    const place = { dir, kubeconfig: join(stateDir, 'kubeconfig') }
    const { code, stdout, stderr } = await kubectl(place, command.split(' '), input)
    expect({ command, code, stderr: stderr.replace(/^(Warning: .*|No resources found.*)\n/gm, '') }).toEqual({
      command,
      code: 0,
      stderr: '',
    })
    return stdout
  }
  const pod = (name: string, spec: string, namespace = 'plain'): Promise<string> =>
    told('apply -f -', `apiVersion: v1\nkind: Pod\nmetadata: { name: ${name}, namespace: ${namespace} }\nspec: ${spec}`)
  /** READY STATUS RESTARTS as `kubectl get pods` shows them. */
  const words = async (name: string, namespace = 'plain'): Promise<string> => {
    const [, ready, status, restarts] = (await told(`get pod ${name} -n ${namespace} --no-headers`)).split(/ +/)
    return `${ready} ${status} ${restarts}`
  }
  const untilWords = (name: string, wanted: RegExp | string, namespace = 'plain'): Promise<void> =>
    expect.poll(() => words(name, namespace), { timeout: 20_000, interval: 50 }).toMatch(wanted)
  const field = (name: string, path: string): Promise<string> => told(`get pod ${name} -n plain -o jsonpath={${path}}`)
  const reasons = async (name: string): Promise<readonly string[]> =>
    (await told(`get events -n plain --field-selector=involvedObject.name=${name} -o jsonpath={.items[*].reason}`))
      .split(' ')
      .sort()
  /** A file that processes of pods wait for; the machine's folders are theirs, too. */
  const gate = (name: string): { readonly wait: string; open(): void } => {
    const file = join(dir, name)
    return { wait: `until [ -e ${file} ]; do sleep 0.02; done`, open: () => writeFileSync(file, '') }
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-lifecycle-'))
    stateDir = join(dir, 'state')
    const folder = join(dir, 'objects')
    mkdirSync(folder)
    writeFileSync(join(folder, 'namespaces.yaml'), NAMESPACES)
    ambit = new Ambit({ stateDir })
    expect(await ambit.run(['up', '--detach', '--nodes', '1', '-f', folder])).toMatchObject({ code: 0, stderr: '' })
  })
  afterAll(async () => {
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  })

  it('that is a job runs to its end, gives back its namespaces, and leaves the mesh ready', async () => {
    await told(
      'apply -f -',
      `apiVersion: batch/v1
kind: Job
metadata: { name: hello, namespace: plain }
spec:
  completions: 2
  template:
    spec: { restartPolicy: Never, containers: [{ name: main, image: x, command: [echo, hi] }] }`,
    )
    expect(await told('wait --for=condition=complete job/hello -n plain --timeout=30s')).toContain('condition met')
    const pods = await told('get pods -n plain -l job-name=hello --no-headers')
    expect(pods.match(/0\/1 +Completed +0/g)).toHaveLength(2)
    const status = await ambit.until(({ ready }) => ready)
    const ended = status.pods.filter(({ name }) => name.startsWith('hello-'))
    expect(ended.map(({ phase, netns, pid }) => ({ phase, netns, pid }))).toEqual(
      ended.map(() => ({ phase: 'succeeded', netns: '', pid: undefined })),
    )
    await told('delete job hello -n plain --timeout=10s')
    await expect.poll(() => told('get pods -n plain -l job-name=hello -o name')).toBe('')
  })

  it.each([
    ['Never', 0, /0\/1 +Error +0/],
    // Its pod would go on for ever: what the job has given up is taken away.
    ['OnFailure', 2, /^$/],
  ])('that is a job which fails more often than it may makes the job fail: %s', async (policy, limit, left) => {
    await told(
      'apply -f -',
      `apiVersion: batch/v1
kind: Job
metadata: { name: broken, namespace: plain }
spec:
  backoffLimit: ${limit}
  template:
    spec: { restartPolicy: ${policy}, containers: [{ name: main, image: x, command: [sh, -c, exit 3] }] }`,
    )
    expect(await told('wait --for=condition=failed job/broken -n plain --timeout=30s')).toContain('condition met')
    const reason = '{.status.conditions[?(@.type=="Failed")].reason}'
    expect(await told(`get job broken -n plain -o jsonpath=${reason}`)).toBe('BackoffLimitExceeded')
    const pods = (): Promise<string> => told('get pods -n plain -l job-name=broken --no-headers --ignore-not-found')
    await expect.poll(pods, { timeout: 5_000 }).toMatch(left)
    await told('delete job broken -n plain --timeout=10s')
  })

  it('runs init containers one after the other, a sidecar beside the rest, and ends it last', async () => {
    const [first, second, started, main] = [gate('first'), gate('second'), gate('started'), gate('main')]
    const trace = join(dir, 'trace')
    await pod(
      'staged',
      `
  restartPolicy: Never
  initContainers:
    - { name: one, image: x, command: [sh, -c, "${first.wait}"] }
    - name: side
      image: x
      restartPolicy: Always
      command: [sh, -c, "trap 'echo side >> ${trace}; exit' TERM; while :; do sleep 0.02; done"]
      startupProbe: { exec: { command: [test, -e, "${join(dir, 'started')}"] }, periodSeconds: 1 }
    - { name: two, image: x, command: [sh, -c, "${second.wait}"] }
  containers:
    - { name: main, image: x, command: [sh, -c, "${main.wait}; echo main >> ${trace}"] }`,
    )
    await untilWords('staged', '0/2 Init:0/3 0')
    first.open()
    await untilWords('staged', '0/2 Init:1/3 0')
    started.open()
    await untilWords('staged', '1/2 Init:2/3 0')
    second.open()
    await untilWords('staged', '2/2 Running 0')
    main.open()
    await untilWords('staged', '0/2 Completed 0')
    expect(readFileSync(trace, 'utf8')).toBe('main\nside\n')
    expect(await field('staged', '.status.phase')).toBe('Succeeded')
    expect(await field('staged', '.status.conditions[?(@.type=="Ready")].reason')).toBe('PodCompleted')
  })

  it.each([
    ['Never', 'exit 4', '0/1 Error 0', 'Failed'],
    ['Never', 'exit 0', '0/1 Completed 0', 'Succeeded'],
    ['OnFailure', 'exit 0', '0/1 Completed 0', 'Succeeded'],
    ['OnFailure', 'exit 4', /^0\/1 CrashLoopBackOff [2-9]/, 'Running'],
    ['Always', 'exit 0', /^0\/1 CrashLoopBackOff [2-9]/, 'Running'],
  ])('with restart policy %s whose command says %s is shown as %s', async (policy, script, shown, phase) => {
    const name = `end-${policy.toLowerCase()}-${script.slice(-1)}`
    await pod(name, `{ restartPolicy: ${policy}, containers: [{ name: c, image: x, command: [sh, -c, ${script}] }] }`)
    await untilWords(name, shown)
    expect(await field(name, '.status.phase')).toBe(phase)
    const path = phase === 'Running' ? 'lastState' : 'state'
    expect(await field(name, `.status.containerStatuses[0].${path}.terminated.exitCode`)).toBe(script.slice(-1))
    await told(`delete pod ${name} -n plain --now`)
  })

  it.each([
    ['Never', 'Init:Error'],
    ['Always', 'Init:CrashLoopBackOff'],
  ])(
    'with restart policy %s whose init container fails is shown as %s, and never starts the rest',
    async (policy, word) => {
      const name = `init-${policy.toLowerCase()}`
      const marker = join(dir, name)
      await pod(
        name,
        `{ restartPolicy: ${policy}, initContainers: [{ name: i, image: x, command: ["false"] }], containers: [{ name: c, image: x, command: [touch, ${marker}] }] }`,
      )
      await untilWords(name, new RegExp(`^0/1 ${word}`))
      expect(existsSync(marker)).toBe(false)
      await told(`delete pod ${name} -n plain --now`)
    },
  )

  it.each([
    ['a command that is not there', 'command: [no-such-program]', 'no-such-program'],
    ['a folder that is not there', 'command: [sleep, "9"], workingDir: /no/such/folder', '/no/such/folder'],
  ])('says so of %s', async (_what, container, text) => {
    await pod('unstarted', `{ containers: [{ name: c, image: x, ${container} }] }`)
    await untilWords('unstarted', /^0\/1 RunContainerError/)
    expect(await field('unstarted', '.status.containerStatuses[0].state.waiting.message')).toContain(text)
    expect(await told('describe pod unstarted -n plain')).toContain(text)
    await told('delete pod unstarted -n plain --now')
  })

  it('is restarted when it fails its liveness probe, and tells why', async () => {
    const sick = join(dir, 'sick')
    await pod(
      'lively',
      `
  terminationGracePeriodSeconds: 1
  containers:
    - name: c
      image: x
      command: [sh, -c, "rm -f ${sick}; exec sleep infinity"]
      livenessProbe: { exec: { command: [sh, -c, "! test -e ${sick}"] }, periodSeconds: 1, failureThreshold: 2 }`,
    )
    await untilWords('lively', '1/1 Running 0')
    writeFileSync(sick, '')
    await untilWords('lively', /^1\/1 Running 1/)
    expect(await reasons('lively')).toEqual(expect.arrayContaining(['Killing', 'Started', 'Unhealthy']))
    expect(await told('describe pod lively -n plain')).toMatch(/Liveness probe failed[\s\S]*failed liveness probe/)
    await told('delete pod lively -n plain --now')
  })

  it('is ready only after its postStart hook and its readiness probe', async () => {
    const [hook, ready] = [gate('hook'), gate('ready')]
    await pod(
      'hooked',
      `
  containers:
    - name: c
      image: x
      command: [sleep, infinity]
      lifecycle: { postStart: { exec: { command: [sh, -c, "${hook.wait}"] } } }
      readinessProbe: { exec: { command: [test, -e, "${join(dir, 'ready')}"] }, periodSeconds: 1 }`,
    )
    ready.open()
    await untilWords('hooked', '0/1 Running 0')
    expect(await field('hooked', '.status.containerStatuses[0].started')).toBe('false')
    hook.open()
    await untilWords('hooked', '1/1 Running 0')
    await told('delete pod hooked -n plain --now')
  })

  it('runs preStop, then is told to end, within its grace', async () => {
    const trace = join(dir, 'stops')
    await pod(
      'polite',
      `
  containers:
    - name: c
      image: x
      command: [sh, -c, "trap 'echo term >> ${trace}; exit' TERM; while :; do sleep 0.02; done"]
      lifecycle: { preStop: { exec: { command: [sh, -c, "sleep 0.2; echo stop >> ${trace}"] } } }`,
    )
    await untilWords('polite', '1/1 Running 0')
    await told('delete pod polite -n plain')
    expect(readFileSync(trace, 'utf8')).toBe('stop\nterm\n')
    expect(await reasons('polite')).toContain('Killing')
  })

  it.each(['--grace-period=0 --force', '--now'])('with a preStop that never ends goes at once with %s', async (how) => {
    await pod(
      'stuck',
      `{ terminationGracePeriodSeconds: ${AN_HOUR}, containers: [{ name: c, image: x, command: [sleep, infinity], lifecycle: { preStop: { exec: { command: [sleep, infinity] } } } }] }`,
    )
    await untilWords('stuck', '1/1 Running 0')
    await told('delete pod stuck -n plain --wait=false')
    await untilWords('stuck', 'Terminating')
    await told(`delete pod stuck -n plain ${how}`)
    await ambit.until(({ pods }) => pods.every(({ name }) => name !== 'stuck'))
  })

  it('fails at its deadline', async () => {
    await pod('late', '{ activeDeadlineSeconds: 1, containers: [{ name: c, image: x, command: [sleep, infinity] }] }')
    await expect.poll(() => field('late', '.status.phase'), { timeout: 10_000 }).toBe('Failed')
    expect(await field('late', '.status.reason')).toBe('DeadlineExceeded')
  })

  it('that is in the mesh has its init containers there from their first packet', async () => {
    const server = `require("http").createServer((q, s) => s.end("hi")).listen(8080)`
    await told(
      'apply -f -',
      `apiVersion: v1
kind: Pod
metadata: { name: server, namespace: app, labels: { app: server } }
spec: { containers: [{ name: c, image: x, command: [node, -e, '${server}'], readinessProbe: { tcpSocket: { port: 8080 } } }] }
---
apiVersion: v1
kind: Service
metadata: { name: server, namespace: app }
spec: { selector: { app: server }, ports: [{ port: 80, targetPort: 8080 }] }`,
    )
    await untilWords('server', '1/1 Running 0', 'app')
    // STRICT: what comes beside the mesh is refused.
    const ask = `fetch("http://server").then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(2))`
    await pod(
      'asker',
      `{ restartPolicy: Never, initContainers: [{ name: i, image: x, command: [node, -e, '${ask}'] }], containers: [{ name: c, image: x, command: ["true"] }] }`,
      'app',
    )
    await untilWords('asker', '0/1 Completed 0', 'app')
  })

  it.each([
    ['Always', '1/1 Running 4', 'Running'],
    ['Never', '0/1 Unknown 3', 'Failed'],
  ])('that ran before the machine was started again, with policy %s, is shown as %s', async (policy, shown, phase) => {
    const name = `earlier-${policy.toLowerCase()}`
    // Bound by hand once it has the status that an earlier life would have left.
    await pod(
      name,
      `{ schedulerName: nobody, restartPolicy: ${policy}, containers: [{ name: c, image: x, command: [sleep, infinity] }] }`,
    )
    const running = { name: 'c', image: 'x', imageID: '', ready: true, restartCount: 3, state: { running: {} } }
    const patch = JSON.stringify({ status: { phase: 'Running', containerStatuses: [running] } })
    await told(`patch pod ${name} -n plain --subresource=status --type=merge -p ${patch}`)
    const target = { apiVersion: 'v1', kind: 'Node', name: 'node-a' }
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace: 'plain' }, target }
    await told(`create --raw /api/v1/namespaces/plain/pods/${name}/binding -f -`, JSON.stringify(binding))
    await untilWords(name, shown)
    expect(await field(name, '.status.phase')).toBe(phase)
    const path = phase === 'Running' ? 'lastState' : 'state'
    expect(await field(name, `.status.containerStatuses[0].${path}.terminated.reason`)).toBe('Unknown')
    await told(`delete pod ${name} -n plain --now`)
  })

  it('does not hold the end of the mesh, whatever its preStop does', async () => {
    await pod(
      'holder',
      `{ terminationGracePeriodSeconds: ${AN_HOUR}, containers: [{ name: c, image: x, command: [sleep, infinity], lifecycle: { preStop: { exec: { command: [sleep, infinity] } } } }] }`,
    )
    await untilWords('holder', '1/1 Running 0')
    expect(await ambit.run(['down'])).toMatchObject({ code: 0 })
  })
})
