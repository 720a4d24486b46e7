import { describe, expect, it } from 'vitest'
import { appOf, endOf, exposingService, type RunOrder, runPod, startLook } from '../../../../src/cli/cluster/index.ts'

const order: RunOrder = {
  namespace: 'shop',
  name: undefined,
  serviceAccount: 'cart',
  node: undefined,
  labels: { tier: 'front' },
  env: { A: 'b=c' },
  ports: [8080],
  command: ['node', 'server.js'],
  place: { kind: 'folder', folder: '/work' },
  isKept: false,
}
const pod = (state: object, more: object = {}): Record<string, unknown> => ({
  status: { containerStatuses: [{ state }], ...more },
})

describe('a command as a pod', () => {
  it('runs in its folder, as its account, once', () => {
    expect(runPod(order)).toEqual({
      metadata: {
        namespace: 'shop',
        generateName: 'node-',
        labels: { app: 'node', tier: 'front' },
        annotations: { 'ambit.dev/folder': '/work' },
      },
      spec: {
        serviceAccountName: 'cart',
        restartPolicy: 'Never',
        containers: [
          {
            name: 'main',
            image: 'ambit/run',
            command: ['node', 'server.js'],
            env: [{ name: 'A', value: 'b=c' }],
            ports: [{ containerPort: 8080 }],
          },
        ],
      },
    })
  })

  it('runs from an image on a cluster, and again and again when it is left alone', () => {
    const kept: RunOrder = {
      ...order,
      name: 'cart',
      node: 'b',
      command: [],
      place: { kind: 'image', image: 'nginx' },
      isKept: true,
    }
    expect(runPod(kept)).toMatchObject({
      metadata: { name: 'cart', labels: { app: 'cart' } },
      spec: { restartPolicy: 'Always', nodeName: 'b', containers: [{ image: 'nginx' }] },
    })
    expect(JSON.stringify(runPod(kept))).not.toMatch(/annotations|command/)
    expect(exposingService(kept, 80)).toMatchObject({
      metadata: { name: 'cart', namespace: 'shop' },
      spec: { selector: { app: 'cart' }, ports: [{ port: 80, targetPort: 80 }] },
    })
  })

  it.each([
    [['/usr/bin/My_App.sh'], 'my-app-sh'],
    [['7z'], 'z'],
    [['---'], 'run'],
    [[], 'run'],
    [['x'.repeat(90)], 'x'.repeat(40)],
  ])('is named after its command %j: %s', (command, name) => {
    expect(appOf({ name: undefined, command })).toBe(name)
  })

  it('has begun when its container runs or has ended', () => {
    expect(startLook({})).toEqual({ kind: 'wait', reason: 'it has not been started' })
    expect(startLook(pod({ waiting: { reason: 'ContainerCreating' } }))).toEqual({
      kind: 'wait',
      reason: 'ContainerCreating',
    })
    expect(startLook(pod({ running: {} }))).toEqual({ kind: 'done' })
    expect(startLook(pod({ terminated: { exitCode: 1 } }))).toEqual({ kind: 'done' })
  })

  it.each<[string, Record<string, unknown> | undefined, RegExp]>([
    ['deleted', undefined, /the pod was deleted/],
    [
      'without its image',
      pod({ waiting: { reason: 'ErrImageNeverPull', message: 'no' } }),
      /cannot start: ErrImageNeverPull: no/,
    ],
    ['failed as a whole', pod({}, { phase: 'Failed', reason: 'Evicted' }), /the pod failed: Evicted/],
  ])('never begins when it is %s', (_, object, problem) => {
    expect(() => startLook(object)).toThrow(problem)
  })

  it('ends with the status of the command', () => {
    expect(endOf(pod({ running: {} }))).toBeUndefined()
    expect(endOf(pod({ terminated: { exitCode: 3 } }))).toBe(3)
    expect(endOf(pod({ terminated: { signal: 9 } }))).toBe(137)
    expect(() => endOf(undefined)).toThrow('the pod was deleted')
  })
})
