import { MeshError } from '#shared/errors'
import type { ConfigData } from './config-source.ts'
import type { FieldRef, ResourceRef } from './downward-spec.ts'
import type { ConfigRef, EnvironmentSpec, EnvSource } from './environment-spec.ts'
import { expand } from './expand.ts'

/** Where the values of variables come from. */
export interface EnvironmentSources {
  /** Below everything that the pod writes; `$(NAME)` sees them. */
  readonly serviceLinks: Readonly<Record<string, string>>
  /** Of the pod's namespace, which is named for problems. */
  readonly namespace: string
  config(from: ConfigRef): ConfigData | undefined
  field(ref: FieldRef): string
  resource(ref: ResourceRef): string
}

/**
 * Variables of a container: service links, then whole ConfigMaps and Secrets, then its own, each over those before it.
 * @throws MeshError `CONTAINER_CONFIG_INVALID` for what is missing and not optional
 */
export function environmentOf(spec: EnvironmentSpec, sources: EnvironmentSources): Readonly<Record<string, string>> {
  const { serviceLinks, namespace } = sources
  // A Map, as a variable may be called `__proto__`.
  const found = new Map(Object.entries(serviceLinks))
  for (const { prefix, from } of spec.envFrom) {
    const data = sources.config(from)
    if (data === undefined && !from.optional) throw missing(`${labelOf(from)} not found`)
    for (const [key, value] of data ?? []) setValue(found, `${prefix}${key}`, value.toString(), namespace)
  }
  // Like Kubernetes: of what came in whole, `$(NAME)` sees nothing.
  const seen = new Map(Object.entries(serviceLinks))
  for (const { name, source } of spec.env) {
    const value = variableValue(source, sources, seen)
    if (value === undefined) continue
    setValue(found, name, value, namespace)
    seen.set(name, value)
  }
  return Object.fromEntries(found)
}

function variableValue(
  source: EnvSource,
  sources: EnvironmentSources,
  seen: ReadonlyMap<string, string>,
): string | undefined {
  switch (source.kind) {
    case 'value':
      return expand(source.value, (name) => seen.get(name))
    case 'field':
      return sources.field(source.field)
    case 'resource':
      return sources.resource(source.resource)
    case 'key': {
      const { from, key } = source
      const data = sources.config(from)
      const value = data?.get(key)
      if (value !== undefined || from.optional) return value?.toString()
      if (data === undefined) throw missing(`${labelOf(from)} not found`)
      throw missing(`couldn't find key ${key} in ${from.kind} ${sources.namespace}/${from.name}`)
    }
  }
}

/** `configmap "x"`, as Kubernetes tells it. */
export function labelOf({ kind, name }: Pick<ConfigRef, 'kind' | 'name'>): string {
  return `${kind.toLowerCase()} ${JSON.stringify(name)}`
}

export function missing(message: string): MeshError {
  return new MeshError('CONTAINER_CONFIG_INVALID', message)
}

/** A process cannot have such a variable; Kubernetes fails the container as well, with less of a reason. */
function setValue(found: Map<string, string>, name: string, value: string, namespace: string): void {
  if (value.includes('\0')) throw missing(`the variable ${name} of a pod in ${namespace} would have a zero byte in it`)
  found.set(name, value)
}
