import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { podProblems } from '../../../../src/local/pod-plan/index.ts'
import { problemsOf, rootlessRules, rules } from './samples.ts'

const container = (fields: string): string => `containers: [{ name: c, command: [a], ${fields} }]`
const mounted = (mount: string, volume = 'emptyDir: {}'): string =>
  `{ containers: [{ name: c, command: [a], volumeMounts: [${mount}] }], volumes: [{ name: v, ${volume} }] }`

describe('a pod that cannot run on one machine is refused by field', () => {
  it.each([
    ['hostNetwork: true', 'spec.hostNetwork is not supported'],
    ['hostPID: true', 'spec.hostPID is not supported'],
    ['hostIPC: true', 'spec.hostIPC is not supported'],
    ['hostUsers: false', 'spec.hostUsers must be'],
    ['shareProcessNamespace: true', 'spec.shareProcessNamespace is not supported'],
    ['ephemeralContainers: [{ name: e }]', 'spec.ephemeralContainers is not supported'],
    ['runtimeClassName: gvisor', 'spec.runtimeClassName is not supported'],
    ['securityContext: { sysctls: [{ name: a, value: b }] }', 'spec.securityContext.sysctls is not supported'],
    ['os: { name: windows }', 'spec.os.name must be linux'],
    ['restartPolicy: Sometimes', 'spec.restartPolicy must be one of'],
    ['terminationGracePeriodSeconds: -1', 'spec.terminationGracePeriodSeconds must be'],
    ['activeDeadlineSeconds: 0', 'spec.activeDeadlineSeconds must be'],
    ['containers: []', 'spec.containers is empty'],
    [
      container('securityContext: { privileged: true }'),
      'spec.containers.0.securityContext.privileged is not supported',
    ],
    [
      container('securityContext: { capabilities: { add: [CHOWN, NET_ADMIN] } }'),
      'spec.containers.0.securityContext.capabilities.add.1 NET_ADMIN is not given',
    ],
    [container('securityContext: { runAsNonRoot: true }'), 'securityContext.runAsNonRoot is true, but'],
    ['securityContext: { runAsNonRoot: true, runAsUser: 0 }', 'securityContext.runAsNonRoot is true, but'],
    [container('securityContext: { procMount: Unmasked }'), 'securityContext.procMount is not supported'],
    [container('volumeDevices: [{ name: v, devicePath: /dev/x }]'), 'spec.containers.0.volumeDevices is not supported'],
    [container('ports: [{ containerPort: 80, hostPort: 80 }]'), 'spec.containers.0.ports.0.hostPort is not supported'],
    [container('lifecycle: { stopSignal: SIGUSR1 }'), 'spec.containers.0.lifecycle.stopSignal is not supported'],
    [container('restartPolicy: Always'), 'spec.containers.0.restartPolicy is only for initContainers'],
    [
      'initContainers: [{ name: i, command: [a], restartPolicy: Never }]',
      'initContainers.0.restartPolicy must be Always',
    ],
    [
      'initContainers: [{ name: i, command: [a], readinessProbe: { tcpSocket: { port: 1 } } }]',
      'initContainers.0.readinessProbe is only for init containers with restartPolicy Always',
    ],
    ['initContainers: [{ name: c, command: [a] }]', 'spec.containers.0.name is the same as of spec.initContainers[0]'],
    [
      'volumes: [{ name: v, emptyDir: {} }, { name: v, emptyDir: {} }]',
      'spec.volumes.1.name is the same as of spec.volumes[0]',
    ],
    [
      'volumes: [{ name: v, persistentVolumeClaim: { claimName: c } }]',
      'spec.volumes.0.persistentVolumeClaim is not supported',
    ],
    ['volumes: [{ name: v, nfs: { server: s, path: / } }]', 'spec.volumes.0.nfs is not supported'],
    ['volumes: [{ name: v, csi: { driver: d } }]', 'spec.volumes.0.csi is not supported'],
    ['volumes: [{ name: v, ephemeral: {} }]', 'spec.volumes.0.ephemeral is not supported'],
    [
      'volumes: [{ name: v, emptyDir: {}, configMap: { name: c } }]',
      'spec.volumes.0.configMap cannot be given beside emptyDir',
    ],
    ['volumes: [{ name: v, emptyDir: { medium: HugePages } }]', 'spec.volumes.0.emptyDir.medium must be one of'],
    ['volumes: [{ name: v, emptyDir: { sizeLimit: big } }]', 'spec.volumes.0.emptyDir.sizeLimit must be a quantity'],
    [
      'volumes: [{ name: v, configMap: { name: c, defaultMode: 1000 } }]',
      'spec.volumes.0.configMap.defaultMode must be',
    ],
    ['volumes: [{ name: v, configMap: { name: c, items: [{ key: k, path: ../x }] } }]', 'items.0.path must not go up'],
    [
      'volumes: [{ name: v, secret: { secretName: s, items: [{ key: k, path: /x }] } }]',
      'items.0.path must be relative',
    ],
    [
      'volumes: [{ name: v, projected: { sources: [{ clusterTrustBundle: { path: x } }] } }]',
      'sources.0.clusterTrustBundle is not supported',
    ],
    ['volumes: [{ name: v, projected: { sources: [{}] } }]', 'sources.0 must have exactly one of'],
    [
      'volumes: [{ name: v, projected: { sources: [{ serviceAccountToken: { path: t, expirationSeconds: 60 } }] } }]',
      'serviceAccountToken.expirationSeconds must be',
    ],
    [
      'volumes: [{ name: v, downwardAPI: { items: [{ path: x, fieldRef: { fieldPath: status.podIP } }] } }]',
      'items.0.fieldRef.fieldPath "status.podIP" cannot be shown',
    ],
    [
      'volumes: [{ name: v, downwardAPI: { items: [{ path: x, resourceFieldRef: { resource: limits.cpu } }] } }]',
      'resourceFieldRef.containerName is missing',
    ],
    ['volumes: [{ name: v, hostPath: { path: relative } }]', 'spec.volumes.0.hostPath.path must be absolute'],
    ['volumes: [{ name: v, hostPath: { path: / } }]', 'hostPath.path cannot be shown'],
    ['volumes: [{ name: v, hostPath: { path: /var//run/x } }]', 'hostPath.path cannot be shown'],
    ['volumes: [{ name: v, hostPath: { path: /proc/1/root } }]', 'hostPath.path cannot be shown'],
    ['volumes: [{ name: v, hostPath: { path: /a/../run } }]', 'hostPath.path must not go up'],
    ['volumes: [{ name: v, hostPath: { path: /new, type: DirectoryOrCreate } }]', 'hostPath.type must be one of'],
    [container('volumeMounts: [{ name: none, mountPath: /a }]'), 'volumeMounts.0.name there is no volume none'],
    [mounted('{ name: v, mountPath: / }'), 'volumeMounts.0.mountPath cannot be /'],
    [mounted('{ name: v, mountPath: /x/../proc/1 }'), 'volumeMounts.0.mountPath cannot be /'],
    [mounted('{ name: v, mountPath: /a }, { name: v, mountPath: /a/ }'), 'volumeMounts.1.mountPath is the same'],
    [mounted('{ name: v, mountPath: "/a\\nb" }'), 'volumeMounts.0.mountPath must not have control'],
    [mounted('{ name: v, mountPath: /a, subPath: ../x }'), 'volumeMounts.0.subPath must not go up'],
    [mounted('{ name: v, mountPath: /a, subPath: x, subPathExpr: y }'), 'subPathExpr cannot be given beside'],
    [mounted('{ name: v, mountPath: /a, mountPropagation: Bidirectional }'), 'mountPropagation must be None'],
    [mounted('{ name: v, mountPath: /a, recursiveReadOnly: Enabled }'), 'recursiveReadOnly is not supported'],
    [container('env: [{ name: "A=B", value: x }]'), 'env.0.name is no name of a variable'],
    [
      container('env: [{ name: A, value: x, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]'),
      'env.0.valueFrom cannot',
    ],
    [container('env: [{ name: A, valueFrom: {} }]'), 'env.0.valueFrom must have exactly one of'],
    [container('envFrom: [{}]'), 'envFrom.0 must have exactly one of'],
  ])('%s', (yaml, problem) => {
    expect(problemsOf(yaml)).toContainEqual(expect.stringContaining(problem))
  })

  it.each([
    [
      'nginx',
      ': images are not pulled here and "nginx" is not known; give a command of this machine, or map the image',
    ],
    ['ambit/waypoint', ': this installation has no such program'],
    ['""', '; without it, an image has to say what to run'],
  ])('for the image %s without a command, with what to do', (image, problem) => {
    expect(problemsOf(`containers: [{ name: c, image: ${image} }]`)).toEqual([
      expect.stringContaining(`spec.containers.0.command is missing${problem}`),
    ])
  })

  it.each([
    ['securityContext: { runAsUser: 1000 }', 'containers.0.securityContext.runAsUser 1000'],
    ['securityContext: { runAsGroup: 1000 }', 'containers.0.securityContext.runAsGroup 1000'],
    ['securityContext: { fsGroup: 1000 }', 'securityContext.fsGroup 1000'],
    ['securityContext: { supplementalGroups: [0, 1000] }', 'securityContext.supplementalGroups.1 1000'],
  ])('in a mesh of an ordinary user, who has no such id: %s', (yaml, problem) => {
    expect(problemsOf(yaml)).toEqual([])
    expect(problemsOf(yaml, rootlessRules)).toEqual([`spec.${problem} can only be had in a mesh that root started`])
  })
})

describe('a pod that can run has no problem', () => {
  it.each([
    ['containers: [{ name: c, image: docker.io/ambit/echo:1.0 }]'],
    ['containers: [{ name: c, image: mapped:1 }]'],
    ['containers: [{ name: c, image: nginx, command: [a] }]'],
    [
      'initContainers: [{ name: i, command: [a] }, { name: s, command: [a], restartPolicy: Always, readinessProbe: { exec: { command: [x] } } }]',
    ],
    [
      '{ hostNetwork: false, hostPID: null, dnsPolicy: None, dnsConfig: { nameservers: [1.1.1.1] }, hostAliases: [{ ip: 1.2.3.4 }], readinessGates: [{ conditionType: a }], hostUsers: true, os: { name: linux }, imagePullSecrets: [{ name: s }] }',
    ],
    ['securityContext: { runAsUser: 0, fsGroup: 0, seccompProfile: { type: RuntimeDefault } }'],
    [
      container(
        'securityContext: { capabilities: { add: [CAP_CHOWN, net_bind_service], drop: [ALL] }, privileged: false }',
      ),
    ],
    [container('resources: { limits: { cpu: 2, memory: 1Gi } }, imagePullPolicy: Always, stdin: true, tty: true')],
    [mounted('{ name: v, mountPath: /a }, { name: v, mountPath: /b, subPath: x/y }')],
    [mounted('{ name: v, mountPath: relative }')],
    [mounted('{ name: v, mountPath: /a, readOnly: true }', 'hostPath: { path: /usr/share, type: Directory }')],
    ['volumes: [{ name: v }]'],
  ])('%s', (yaml) => {
    expect(problemsOf(yaml)).toEqual([])
    expect(problemsOf(yaml, rootlessRules)).toEqual([])
  })

  it('whatever else is written, it is read or refused, and never fails', () => {
    const words = fc.constantFrom(
      'containers',
      'initContainers',
      'volumes',
      'name',
      'env',
      'envFrom',
      'valueFrom',
      'volumeMounts',
      'livenessProbe',
      'lifecycle',
      'preStop',
      'httpGet',
      'port',
      'securityContext',
      'projected',
      'sources',
      'configMap',
      'hostPath',
      'path',
      'mountPath',
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        fc.string(),
        fc.integer(),
        fc.constant(null),
        fc.boolean(),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(words, tie('tree'), { maxKeys: 5 }),
      ),
    }))
    fc.assert(
      fc.property(tree, (spec) => Array.isArray(podProblems(spec, rules))),
      { numRuns: 500 },
    )
  })
})
