import { describe, expect, it } from 'vitest'
import { ConfigSource, followedBy, type PodPlan, planPod } from '../../../../src/local/pod-plan/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../support/memory-access.ts'
import { podOf, rules } from './samples.ts'

const planOf = (yaml: string): PodPlan =>
  planPod({
    pod: podOf(yaml),
    addresses: { podIps: ['10.244.1.2'], hostIps: ['10.243.0.2'] },
    images: rules.images,
    config: new ConfigSource(new MemoryAccess(new FakeClock())),
    machine: { cpus: 2, memoryBytes: 1 },
    folder: '/yaml/folder',
    volumesDir: '/state/pods/u-1/volumes',
    baseEnv: { PATH: '/bin', HOME: '/' },
  })
const runOf = (yaml: string): ReturnType<PodPlan['containers'][number]['resolve']> | undefined =>
  planOf(yaml).containers[0]?.resolve()
const container = (fields: string): string => `containers: [{ name: c, command: [a], ${fields} }]`

describe('the plan of a pod', () => {
  it('has what Kubernetes takes for granted', () => {
    expect(planOf('{}')).toMatchObject({
      hostname: 'p',
      restartPolicy: 'Always',
      graceMs: 30_000,
      activeDeadlineMs: undefined,
      initContainers: [],
      containers: [{ name: 'c', image: '', restart: 'Always', hasStdin: false, hasTty: false }],
    })
  })

  it('has what is written', () => {
    const yaml =
      '{ restartPolicy: Never, terminationGracePeriodSeconds: 1, activeDeadlineSeconds: 2, containers: [{ name: c, image: ambit/echo, stdin: true, tty: true }] }'
    expect(planOf(yaml)).toMatchObject({
      restartPolicy: 'Never',
      graceMs: 1_000,
      activeDeadlineMs: 2_000,
      containers: [{ image: 'ambit/echo', restart: 'Never', hasStdin: true, hasTty: true }],
    })
  })

  it.each([
    ['Always', 'OnFailure'],
    ['OnFailure', 'OnFailure'],
    ['Never', 'Never'],
  ])('with restartPolicy %s starts a failed init container as %s says, and a sidecar always', (policy, restart) => {
    const init = '[{ name: i, command: [a] }, { name: s, command: [a], restartPolicy: Always }]'
    const { initContainers } = planOf(`{ restartPolicy: ${policy}, initContainers: ${init} }`)
    expect(initContainers.map((each) => each.restart)).toEqual([restart, 'Always'])
  })

  it.each([
    ['{}', 'p'],
    ['hostname: other', 'other'],
    ['{ hostname: other, subdomain: sub }', 'other'],
    ['{ subdomain: sub, setHostnameAsFQDN: true }', 'p.sub.shop.svc.cluster.local'],
    ['setHostnameAsFQDN: true', 'p'],
  ])('from %s has the host name %s', (yaml, hostname) => {
    expect(planOf(yaml).hostname).toBe(hostname)
  })
})

describe('the process of a container', () => {
  it.each([
    ['its own command and arguments', 'command: [a], args: [b]', ['a', 'b']],
    ["the image's, when it says nothing", 'image: mapped', ['server', '--port', '80']],
    ["the image's command with its own arguments", 'image: mapped, args: ["81"]', ['server', '--port', '81']],
    ["nothing of the image's besides its own command", 'image: mapped, command: [a]', ['a']],
    [
      'words with variables in them',
      'command: [a, "$(A)", "$$(A)", "$(NO)"], env: [{ name: A, value: x }]',
      ['a', 'x', '$(A)', '$(NO)'],
    ],
  ])('is %s', (_what, fields, argv) => {
    expect(runOf(`containers: [{ name: c, ${fields} }]`)?.argv).toEqual(argv)
  })

  it("has the environment of all, the image's, and its own, with its host name", () => {
    expect(runOf('containers: [{ name: c, image: mapped, env: [{ name: FROM, value: pod }] }]')?.env).toEqual({
      PATH: '/image',
      HOME: '/',
      HOSTNAME: 'p',
      FROM: 'pod',
    })
  })

  it.each([
    ['command: [a]', '/yaml/folder'],
    ['command: [a], workingDir: sub', '/yaml/folder/sub'],
    ['command: [a], workingDir: /abs', '/abs'],
    ['image: mapped', '/srv'],
    ['image: mapped, command: [a]', '/srv'],
    ['image: mapped, workingDir: /abs', '/abs'],
  ])('with %s runs in %s', (fields, folder) => {
    expect(runOf(`containers: [{ name: c, ${fields} }]`)?.folder).toBe(folder)
  })

  it.each([
    ['{}', undefined],
    ['securityContext: { runAsUser: 0 }', undefined],
    ['securityContext: { runAsUser: 1000 }', { uid: 1000, gid: 0, groups: [] }],
    [
      'securityContext: { runAsUser: 1, runAsGroup: 2, fsGroup: 3, supplementalGroups: [4, 2, 3] }',
      { uid: 1, gid: 2, groups: [4, 3] },
    ],
    [
      `{ securityContext: { runAsUser: 1 }, ${container('securityContext: { runAsUser: 5 }')} }`,
      { uid: 5, gid: 0, groups: [] },
    ],
    ['securityContext: { fsGroup: 7 }', { uid: 0, gid: 0, groups: [7] }],
  ])('from %s runs as %j', (yaml, user) => {
    expect(runOf(yaml)?.user).toEqual(user)
  })

  it('keeps the rights that it does not drop, and can be kept from more', () => {
    expect(runOf('{}')?.rights).toMatchObject({
      canGain: true,
      capabilities: expect.arrayContaining(['CHOWN', 'SYS_CHROOT']),
    })
    const dropped =
      'securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [all], add: [CAP_KILL] } }'
    expect(runOf(container(dropped))?.rights).toEqual({ canGain: false, capabilities: ['KILL'] })
    expect(runOf(container('securityContext: { readOnlyRootFilesystem: true }'))?.isRootReadOnly).toBe(true)
  })

  it('is asked for anew at each start, with ConfigMaps as they are then', async () => {
    const access = new MemoryAccess(new FakeClock())
    const ref = { group: '', resource: 'configmaps', namespace: 'shop', name: 'm' }
    const plan = planPod({
      pod: podOf(container('env: [{ name: V, valueFrom: { configMapKeyRef: { name: m, key: k } } }]')),
      addresses: { podIps: [], hostIps: [] },
      images: rules.images,
      config: new ConfigSource(access),
      machine: { cpus: 2, memoryBytes: 1 },
      folder: '/',
      volumesDir: '/v',
      baseEnv: {},
    })
    const value = (): string | undefined => plan.containers[0]?.resolve().env.V
    expect(value).toThrow('configmap "m" not found')
    await access.create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'm', namespace: 'shop' },
      data: { k: '1' },
    })
    expect(value()).toBe('1')
    await access.set(ref, { data: { k: '2' } })
    expect(value()).toBe('2')
  })
})

describe('what a pod reads', () => {
  it('is every ConfigMap and Secret of its environment and volumes', () => {
    const pod = podOf(
      `{ ${container('env: [{ name: A, valueFrom: { secretKeyRef: { name: s1, key: k } } }], envFrom: [{ configMapRef: { name: c1 } }]')}, volumes: [{ name: v, projected: { sources: [{ secret: { name: s2 } }] } }, { name: w, configMap: { name: c2 } }] }`,
    )
    expect(followedBy(pod).map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'ConfigMap c1',
      'Secret s1',
      'Secret s2',
      'ConfigMap c2',
    ])
  })
})
