import { isAbsolute, resolve } from 'node:path'
import type { ApiObject } from '../apiserver/index.ts'
import type { ImageCatalog, ImageCommand } from '../images/index.ts'
import type { ConfigSource, Followed } from './config-source.ts'
import { fieldValue, type MachineSize, type PodAddressFacts, resourceValue } from './downward.ts'
import { environmentOf } from './environment.ts'
import { expand } from './expand.ts'
import { hostNames } from './host-names.ts'
import { planMounts } from './mounts.ts'
import { serviceLinks } from './service-links.ts'
import { type ContainerSpec, type PodSpec, podSpec } from './spec.ts'
import type { ContainerPlan, ContainerRun, PodPlan } from './types.ts'
import { rightsOf, userOf } from './user.ts'

export interface PlanSettings {
  /** Of the API, and without problems. */
  readonly pod: ApiObject
  readonly addresses: PodAddressFacts
  readonly images: ImageCatalog
  readonly config: ConfigSource
  readonly machine: MachineSize
  /** Where containers run that say nothing else: the folder of the pod's YAML. */
  readonly folder: string
  /** Where `PodVolumes` keeps the files. */
  readonly volumesDir: string
  /** What every container gets, below what images and pods give. */
  readonly baseEnv: Readonly<Record<string, string>>
}

/** Linux takes no more. */
const MAX_HOSTNAME = 64
const NO_IMAGE: ImageCommand = { command: [], args: [], env: {}, workingDir: undefined }

/** What a pod without problems runs on this machine. There are no images here: a container is a command of this machine. */
export function planPod(settings: PlanSettings): PodPlan {
  const spec = readSpec(settings.pod)
  const { short, full } = hostNames(settings.pod, spec)
  const hostname = spec.setHostnameAsFQDN && full !== '' ? full.slice(0, MAX_HOSTNAME) : short
  const plan = (container: ContainerSpec, restart: ContainerPlan['restart']): ContainerPlan => ({
    name: container.name,
    image: container.image,
    restart,
    probes: { startup: container.startupProbe, liveness: container.livenessProbe, readiness: container.readinessProbe },
    hooks: container.lifecycle,
    hasStdin: container.stdin,
    hasTty: container.tty,
    resolve: () => runOf(container, spec, hostname, settings),
  })
  const { restartPolicy, activeDeadlineSeconds } = spec
  // One that fails ends the pod only when nothing of the pod is started again.
  const initRestart = restartPolicy === 'Never' ? 'Never' : 'OnFailure'
  return {
    hostname,
    restartPolicy,
    initContainers: spec.initContainers.map((each) => plan(each, each.restartPolicy ?? initRestart)),
    containers: spec.containers.map((each) => plan(each, restartPolicy)),
    graceMs: spec.terminationGracePeriodSeconds * 1000,
    activeDeadlineMs: activeDeadlineSeconds === undefined ? undefined : activeDeadlineSeconds * 1000,
  }
}

/** ConfigMaps and Secrets that the pod reads: when one changes, what waits for it may be started. */
export function followedBy(pod: ApiObject): readonly Followed[] {
  const { containers, initContainers, volumes } = readSpec(pod)
  return [
    ...[...initContainers, ...containers].flatMap(({ env, envFrom }) => [
      ...envFrom.map(({ from }) => from),
      ...env.flatMap(({ source }) => (source.kind === 'key' ? [source.from] : [])),
    ]),
    ...volumes
      .flatMap(({ source }) => (source.kind === 'files' ? source.parts : []))
      .flatMap((part) => (part.kind === 'config' ? [part.from] : [])),
  ]
}

/** @throws TypeError for a pod with problems, which nobody plans */
export function readSpec({ metadata, spec }: ApiObject): PodSpec {
  return podSpec(spec, ['spec'], (path, problem) => {
    throw new TypeError(`${path.join('.')} of pod ${metadata.namespace}/${metadata.name} ${problem}`)
  })
}

function runOf(container: ContainerSpec, spec: PodSpec, hostname: string, settings: PlanSettings): ContainerRun {
  const { pod, addresses, config, machine, folder, volumesDir, baseEnv } = settings
  const { namespace = '' } = pod.metadata
  const containers = [...spec.initContainers, ...spec.containers]
  const image = imageOf(container, settings.images)
  const env = environmentOf(container, {
    serviceLinks: serviceLinks(config.services(), namespace, spec.enableServiceLinks),
    namespace,
    config: (from) => config.read(namespace, from),
    field: (ref) => fieldValue(config.pod(namespace, pod.metadata.name) ?? pod, ref, addresses),
    resource: (ref) =>
      resourceValue(containers.find(({ name }) => name === ref.containerName) ?? container, ref, machine),
  })
  const words = (texts: readonly string[]): readonly string[] =>
    texts.map((text) => expand(text, (name) => (Object.hasOwn(env, name) ? env[name] : undefined)))
  const hasOwnCommand = container.command.length > 0
  // As with images: an own command leaves nothing of the image's, its arguments included.
  const imageArgs = hasOwnCommand ? [] : image.args
  const args = container.args.length > 0 ? words(container.args) : imageArgs
  const [command, ...rest] = [...(hasOwnCommand ? words(container.command) : image.command), ...args]
  if (command === undefined) throw new TypeError(`container ${container.name} was not checked before it was planned`)
  const workingDir = container.workingDir === '' ? (image.workingDir ?? '') : container.workingDir
  return {
    argv: [command, ...rest],
    folder: isAbsolute(workingDir) ? workingDir : resolve(folder, workingDir),
    env: { ...baseEnv, HOSTNAME: hostname, ...image.env, ...env },
    mounts: planMounts(container.volumeMounts, spec.volumes, volumesDir, env),
    isRootReadOnly: container.securityContext.readOnlyRootFilesystem,
    user: userOf(spec.securityContext, container.securityContext),
    rights: rightsOf(container.securityContext),
  }
}

function imageOf({ image }: ContainerSpec, images: ImageCatalog): ImageCommand {
  const found = images.find(image)
  return found.kind === 'known' ? found.image : NO_IMAGE
}
