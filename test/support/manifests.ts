import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'

export const DAEMONSET_FOLDER: string = resolve(import.meta.dirname, '../../daemonset')

/** The programs that run in a cluster, by the name of the workload that runs them. */
export const WORKLOADS = { istiod: 'istiod-lite', 'node-agent': 'node-agent', ztunnel: 'ztunnel' } as const

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
  }
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it, and fail when it is of another form
  readonly [field: string]: any
}

export interface EnvVar {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } }
}

export interface Mount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
}

export interface Volume {
  readonly name: string
  readonly hostPath?: { readonly path: string; readonly type: string }
  readonly configMap?: { readonly name: string }
  readonly projected?: {
    readonly sources: readonly {
      readonly serviceAccountToken: {
        readonly path: string
        readonly audience: string
        readonly expirationSeconds: number
      }
    }[]
  }
}

/** The one container of a workload, and what its pod says around it. */
export interface ManifestPod {
  readonly workload: Manifest
  readonly labels: Readonly<Record<string, string>>
  readonly serviceAccount: string
  readonly spec: Manifest[string]
  readonly volumes: readonly Volume[]
  readonly container: {
    readonly image: string
    readonly args: readonly string[]
    readonly env: readonly EnvVar[]
    readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
    readonly readinessProbe: { readonly httpGet: { readonly path: string; readonly port: string } }
    readonly securityContext: {
      readonly readOnlyRootFilesystem: boolean
      readonly capabilities: { readonly drop: readonly string[]; readonly add?: readonly string[] }
      readonly [field: string]: unknown
    }
    readonly volumeMounts: readonly Mount[]
  }
}

/** What the kustomization lists. */
export function listedFiles(): readonly string[] {
  const { resources } = parse(readFileSync(join(DAEMONSET_FOLDER, 'kustomization.yaml'), 'utf8')) as {
    readonly resources: readonly string[]
  }
  return resources
}

/** Every object of a cluster's installation, without the definitions of kinds unless they are asked for. */
export function readManifests(
  files: readonly string[] = listedFiles().filter((file) => !file.startsWith('crds/')),
): Manifest[] {
  return files.flatMap((file) =>
    parseAllDocuments(readFileSync(join(DAEMONSET_FOLDER, file), 'utf8')).map(
      (document) => document.toJS({ maxAliasCount: -1 }) as Manifest,
    ),
  )
}

export function manifest(kind: string, name: string): Manifest {
  const found = readManifests().find((object) => object.kind === kind && object.metadata.name === name)
  if (found === undefined) throw new Error(`daemonset/ has no ${kind} ${name}`)
  return found
}

export function manifestPod(name: keyof typeof WORKLOADS): ManifestPod {
  const workload = manifest(name === 'istiod' ? 'Deployment' : 'DaemonSet', name)
  const { metadata, spec } = workload.spec.template
  const [container, ...more] = spec.containers
  if (more.length > 0) throw new Error(`${name} has several containers`)
  return {
    workload,
    labels: metadata.labels,
    serviceAccount: spec.serviceAccountName,
    spec,
    volumes: spec.volumes ?? [],
    container: { env: [], volumeMounts: [], ...container },
  }
}

/** The arguments of ENTRYPOINT by target of the Dockerfile. */
export function imageCommands(): ReadonlyMap<string, readonly string[]> {
  const commands = new Map<string, readonly string[]>()
  let target = ''
  for (const line of readFileSync(join(DAEMONSET_FOLDER, 'Dockerfile'), 'utf8').split('\n')) {
    target = /^FROM \S+ AS (\S+)$/.exec(line)?.[1] ?? target
    const entry = /^ENTRYPOINT (\[.*\])$/.exec(line)?.[1]
    if (entry !== undefined) commands.set(target, JSON.parse(entry) as string[])
  }
  return commands
}

/** One thing that a role lets its holder do. */
export interface Grant {
  readonly verb: string
  readonly group: string
  readonly resource: string
  /** Undefined: whatever its name is. */
  readonly name: string | undefined
}

interface PolicyRule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

/** Rules of a role, taken apart. */
export function grantsOf(rules: readonly PolicyRule[]): readonly Grant[] {
  return rules.flatMap(({ apiGroups, resources, resourceNames, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        verbs.flatMap((verb) => (resourceNames ?? [undefined]).map((name): Grant => ({ verb, group, resource, name }))),
      ),
    ),
  )
}

export function grantText({ verb, group, resource, name }: Grant): string {
  return `${verb} ${resource}${group === '' ? '' : `.${group}`}${name === undefined ? '' : ` ${name}`}`
}
