import { posix } from 'node:path'
import type { Path } from '#shared/document'
import type { ImageCatalog } from '../images/index.ts'
import type { KnownIds } from './id-maps.ts'
import { refusedFields } from './refused-fields.ts'
import { type ContainerSpec, type MountSpec, type PodSpec, podSpec } from './spec.ts'
import type { PodProblem } from './types.ts'
import { CONTAINER_CAPABILITIES, capabilityName, isUnwantedRoot, userOf } from './user.ts'
import { hasControls, inVolumeProblem } from './volume-spec.ts'

/** What a machine knows of that decides whether a pod can run on it. */
export interface PodRules {
  readonly images: ImageCatalog
  readonly ids: KnownIds
}

type Say = (path: Path, problem: string) => void

/** Everything in a pod's `spec` that stands against running it here; empty when it can. */
export function podProblems(spec: unknown, rules: PodRules): readonly PodProblem[] {
  const problems: PodProblem[] = [...refusedFields(spec)]
  const say: Say = (path, problem) => void problems.push({ path, problem })
  const read = podSpec(spec, ['spec'], say)
  const { containers, initContainers, volumes } = read
  if (containers.length === 0) say(['spec', 'containers'], 'is empty')
  volumes.forEach(({ name }, i) => {
    const twin = volumes.findIndex((other) => other.name === name)
    if (twin < i) say(['spec', 'volumes', i, 'name'], `is the same as of spec.volumes[${twin}]`)
  })
  sayGroups(read, rules, say)
  const all = [
    ...initContainers.map((container, i) => ({ container, at: ['spec', 'initContainers', i] as Path })),
    ...containers.map((container, i) => ({ container, at: ['spec', 'containers', i] as Path })),
  ]
  all.forEach(({ container, at }, i) => {
    const twin = all.find((other) => other.container.name === container.name)
    if (twin !== undefined && twin !== all[i])
      say([...at, 'name'], `is the same as of ${twin.at.slice(0, 2).join('.')}[${twin.at[2]}]`)
    sayContainer(container, { pod: read, at, rules }, say)
    sayInit(container, at, say)
  })
  return problems
}

/** Of several containers, the one that restarts `Always` runs beside the others, so only it can be asked how it is. */
function sayInit(container: ContainerSpec, at: Path, say: Say): void {
  const isInit = at[1] === 'initContainers'
  if (!isInit && container.restartPolicy !== undefined)
    say([...at, 'restartPolicy'], 'is only for initContainers; the pod has its own')
  if (!isInit || container.restartPolicy === 'Always') return
  if (container.restartPolicy !== undefined) say([...at, 'restartPolicy'], 'must be Always, or left out')
  for (const field of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const)
    if (container[field] !== undefined) say([...at, field], 'is only for init containers with restartPolicy Always')
}

function sayContainer(
  container: ContainerSpec,
  { pod, at, rules }: { readonly pod: PodSpec; readonly at: Path; readonly rules: PodRules },
  say: Say,
): void {
  const { command, image, securityContext, volumeMounts } = container
  if (command.length === 0) sayImage(image, rules.images, [...at, 'command'], say)
  if (isUnwantedRoot(pod.securityContext, securityContext))
    say([...at, 'securityContext', 'runAsNonRoot'], 'is true, but the container would run as user 0; set runAsUser')
  securityContext.capabilities.add.forEach((name, i) => {
    if (!CONTAINER_CAPABILITIES.includes(capabilityName(name)))
      say(
        [...at, 'securityContext', 'capabilities', 'add', i],
        `${name} is not given on one machine: the pod could leave the mesh`,
      )
  })
  const user = userOf(pod.securityContext, securityContext)
  if (user !== undefined && !rules.ids.hasUser(user.uid))
    say([...at, 'securityContext', 'runAsUser'], unknownId(user.uid))
  if (user !== undefined && !rules.ids.hasGroup(user.gid))
    say([...at, 'securityContext', 'runAsGroup'], unknownId(user.gid))
  volumeMounts.forEach((mount, i) => void sayMount(mount, { pod, container, at: [...at, 'volumeMounts', i] }, say))
}

function sayImage(image: string, images: ImageCatalog, at: Path, say: Say): void {
  const found = images.find(image)
  if (found.kind === 'known') return
  const advice = 'give a command of this machine, or map the image with "ambit up --images FILE"'
  const unknown = `images are not pulled here and ${JSON.stringify(image)} is not known; ${advice}`
  if (image === '') say(at, 'is missing; without it, an image has to say what to run')
  else say(at, `is missing: ${found.kind === 'unavailable' ? found.reason : unknown}`)
}

function sayMount(
  mount: MountSpec,
  { pod, container, at }: { readonly pod: PodSpec; readonly container: ContainerSpec; readonly at: Path },
  say: Say,
): void {
  const { name, mountPath, subPath, subPathExpr } = mount
  if (!pod.volumes.some((volume) => volume.name === name)) say([...at, 'name'], `there is no volume ${name}`)
  const target = posix.resolve('/', mountPath)
  if (target === '/' || /^\/(proc|sys)(\/|$)/.test(target)) say([...at, 'mountPath'], 'cannot be /, /proc or /sys')
  if (hasControls(mountPath)) say([...at, 'mountPath'], 'must not have control characters')
  const twin = container.volumeMounts.findIndex((other) => posix.resolve('/', other.mountPath) === target)
  if (container.volumeMounts[twin] !== mount) say([...at, 'mountPath'], `is the same as of volumeMounts[${twin}]`)
  const problem = subPath === '' ? undefined : inVolumeProblem(subPath)
  if (problem !== undefined) say([...at, 'subPath'], problem)
  if (subPath !== '' && subPathExpr !== '') say([...at, 'subPathExpr'], 'cannot be given beside subPath')
}

function sayGroups({ securityContext }: PodSpec, { ids }: PodRules, say: Say): void {
  const { supplementalGroups, fsGroup } = securityContext
  const at = ['spec', 'securityContext']
  supplementalGroups.forEach((group, i) => {
    if (!ids.hasGroup(group)) say([...at, 'supplementalGroups', i], unknownId(group))
  })
  if (fsGroup !== undefined && !ids.hasGroup(fsGroup)) say([...at, 'fsGroup'], unknownId(fsGroup))
}

function unknownId(id: number): string {
  return `${id} can only be had in a mesh that root started`
}
