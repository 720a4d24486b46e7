import { badRequest } from '../api-error.ts'
import type { ApiObject, ScalePaths } from '../types.ts'

/** `kind: Scale` of autoscaling/v1, seen from the object. */
export function scaleOf(object: ApiObject, paths: ScalePaths): ApiObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const selector = paths.labelSelectorPath === undefined ? undefined : at(object, paths.labelSelectorPath)
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    // Each is there: the server has set it.
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp } as ApiObject['metadata'],
    spec: { replicas: numberAt(object, paths.specReplicasPath) },
    status: {
      replicas: numberAt(object, paths.statusReplicasPath),
      ...(selector === undefined ? {} : { selector: selectorText(selector) }),
    },
  }
}

/** The object with the replicas, and the version that the Scale was read at. @throws ApiError BadRequest */
export function withScale(object: ApiObject, scale: ApiObject, paths: ScalePaths): ApiObject {
  const replicas = (scale.spec as { readonly replicas?: unknown } | undefined)?.replicas ?? 0
  if (!Number.isInteger(replicas) || Number(replicas) < 0)
    throw badRequest('spec.replicas must be a whole number that is not negative')
  const changed = set(object, pathOf(paths.specReplicasPath), replicas) as ApiObject
  const { resourceVersion = object.metadata.resourceVersion } = scale.metadata
  return {
    ...changed,
    metadata: { ...changed.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
  }
}

function pathOf(path: string): string[] {
  return path.split('.').filter((part) => part !== '')
}

function at(object: unknown, path: string): unknown {
  return pathOf(path).reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined,
    object,
  )
}

function numberAt(object: unknown, path: string): number {
  const value = at(object, path)
  return typeof value === 'number' ? value : 0
}

function set(value: unknown, [name, ...rest]: readonly string[], leaf: unknown): unknown {
  if (name === undefined) return leaf
  const record = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
  return { ...record, [name]: set(record[name], rest, leaf) }
}

/** A selector as text: CRDs keep it so, built-in kinds as matchLabels and matchExpressions. */
export function selectorText(selector: unknown): string {
  if (typeof selector === 'string') return selector
  const { matchLabels = {}, matchExpressions = [] } = selector as {
    readonly matchLabels?: Readonly<Record<string, string>>
    readonly matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[]
  }
  const labels = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`)
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key
    if (operator === 'DoesNotExist') return `!${key}`
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`
  })
  return [...labels.sort(), ...expressions].join(',')
}
