import { flag, integer, isRecord, list, oneOf, optional, record, type Shape, text } from '#shared/document'
import { type EnvironmentSpec, environmentSpec } from './environment-spec.ts'
import { type Handlers, handlers, type NamedPort } from './probe-spec.ts'
import type { RestartPolicy } from './types.ts'
import { type VolumeSpec, volumeSpec } from './volume-spec.ts'

/** Of a pod's `spec`, what is run here; everything else is either refused (`refused-fields.ts`) or of no effect. */
export interface PodSpec {
  readonly containers: readonly ContainerSpec[]
  readonly initContainers: readonly ContainerSpec[]
  readonly volumes: readonly VolumeSpec[]
  readonly restartPolicy: RestartPolicy
  readonly terminationGracePeriodSeconds: number
  readonly activeDeadlineSeconds: number | undefined
  readonly hostname: string
  readonly subdomain: string
  readonly setHostnameAsFQDN: boolean
  readonly enableServiceLinks: boolean
  readonly serviceAccountName: string
  readonly nodeName: string
  readonly securityContext: PodSecurity
}

/** Pod and container have these alike; the container's count. */
export interface Security {
  readonly runAsUser: number | undefined
  readonly runAsGroup: number | undefined
  readonly runAsNonRoot: boolean | undefined
}

export interface PodSecurity extends Security {
  readonly supplementalGroups: readonly number[]
  readonly fsGroup: number | undefined
}

export interface ContainerSecurity extends Security {
  readonly readOnlyRootFilesystem: boolean
  readonly allowPrivilegeEscalation: boolean | undefined
  readonly capabilities: { readonly add: readonly string[]; readonly drop: readonly string[] }
}

export interface ContainerSpec extends EnvironmentSpec, Handlers {
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly workingDir: string
  readonly restartPolicy: RestartPolicy | undefined
  readonly resources: Resources
  readonly volumeMounts: readonly MountSpec[]
  readonly stdin: boolean
  readonly tty: boolean
  readonly securityContext: ContainerSecurity
}

export interface MountSpec {
  readonly name: string
  readonly mountPath: string
  readonly readOnly: boolean
  readonly subPath: string
  readonly subPathExpr: string
}

/** Quantities as written, by resource. */
export interface Resources {
  readonly limits: Readonly<Record<string, string>>
  readonly requests: Readonly<Record<string, string>>
}

/** The largest id of a user or group. */
const MAX_ID = 2_147_483_647
const MAX_SECONDS = 2_147_483_647
const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'] as const

const id = optional(integer(0, MAX_ID))
/** Absent is not the same as false where a default is true, or another object is asked. */
const maybeFlag = optional(flag)

const security = { runAsUser: id, runAsGroup: id, runAsNonRoot: maybeFlag }
const containerSecurity = record({
  ...security,
  readOnlyRootFilesystem: flag,
  allowPrivilegeEscalation: maybeFlag,
  capabilities: record({ add: list(text()), drop: list(text()) }),
})

/** `cpu: 2` is written without quotes by everybody. */
const quantities: Shape<Readonly<Record<string, string>>> = (value, path, report) => {
  if (value === undefined) return {}
  if (isRecord(value)) return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, String(each)]))
  report(path, 'must be a map')
  return {}
}

const mount: Shape<MountSpec> = record({
  name: text(),
  mountPath: text(),
  readOnly: flag,
  subPath: text(''),
  subPathExpr: text(''),
})

const containerFields = record({
  name: text(),
  image: text(''),
  command: list(text()),
  args: list(text()),
  workingDir: text(''),
  ports: list(record({ name: text(''), containerPort: integer(1, 65_535) })),
  restartPolicy: optional(oneOf(RESTART_POLICIES, undefined)),
  resources: record({ limits: quantities, requests: quantities }),
  volumeMounts: list(mount),
  stdin: flag,
  tty: flag,
  securityContext: containerSecurity,
})

const container: Shape<ContainerSpec> = (value, path, report) => {
  const { ports, ...fields } = containerFields(value, path, report)
  const named: readonly NamedPort[] = ports.map(({ name, containerPort }) => ({ name, port: containerPort }))
  const known = isRecord(value) ? value : {}
  return { ...fields, ...environmentSpec(known, path, report), ...handlers(named)(known, path, report) }
}

/** Reads `spec` of a pod, defaulted by the API or as a user wrote it. */
export const podSpec: Shape<PodSpec> = (value, path, report) => {
  const { enableServiceLinks, terminationGracePeriodSeconds, ...fields } = record({
    containers: list(container),
    initContainers: list(container),
    volumes: list(volumeSpec),
    restartPolicy: oneOf(RESTART_POLICIES, 'Always'),
    terminationGracePeriodSeconds: optional(integer(0, MAX_SECONDS)),
    activeDeadlineSeconds: optional(integer(1, MAX_SECONDS)),
    hostname: text(''),
    subdomain: text(''),
    setHostnameAsFQDN: flag,
    enableServiceLinks: maybeFlag,
    serviceAccountName: text('default'),
    nodeName: text(''),
    securityContext: record({ ...security, supplementalGroups: list(integer(0, MAX_ID)), fsGroup: id }),
  })(value, path, report)
  return {
    ...fields,
    enableServiceLinks: enableServiceLinks ?? true,
    terminationGracePeriodSeconds: terminationGracePeriodSeconds ?? 30,
  }
}
