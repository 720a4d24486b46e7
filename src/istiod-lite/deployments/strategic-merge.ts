import { isRecord, type Path, type Report, shown } from '#shared/document'

/**
 * Lists whose items have a name by which a patch finds them (Kubernetes' strategic merge patch); all others are replaced.
 * `ports` are named by what their items have.
 */
const MERGE_KEYS: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  env: ['name'],
  ports: ['containerPort', 'port'],
  volumes: ['name'],
  volumeMounts: ['mountPath'],
  imagePullSecrets: ['name'],
  hostAliases: ['ip'],
  topologySpreadConstraints: ['topologyKey'],
  ownerReferences: ['uid'],
}
const DIRECTIVE = '$patch'

/** A document with a patch upon it; what the patch says that cannot be done is reported, and left out. */
export function strategicMerge(
  base: Readonly<Record<string, unknown>>,
  patch: Readonly<Record<string, unknown>>,
  report: Report,
  path: Path = [],
): Readonly<Record<string, unknown>> {
  const directive = patch[DIRECTIVE]
  if (directive !== undefined && directive !== 'replace')
    report([...path, DIRECTIVE], `must be replace, or delete in a list, is ${shown(directive)}`)
  const merged: Record<string, unknown> = directive === 'replace' ? {} : { ...base }
  for (const [key, value] of Object.entries(patch)) {
    const at = [...path, key]
    if (key === DIRECTIVE) continue
    if (key.startsWith('$')) report(at, 'is no directive that is supported')
    else if (value === null) delete merged[key]
    else merged[key] = mergeValue(merged[key], value, key, report, at)
  }
  return merged
}

function mergeValue(base: unknown, patch: unknown, field: string, report: Report, path: Path): unknown {
  if (isRecord(patch)) return strategicMerge(isRecord(base) ? base : {}, patch, report, path)
  if (!Array.isArray(patch)) return patch
  return mergeList(Array.isArray(base) ? base : [], patch, MERGE_KEYS[field] ?? [], report, path)
}

function mergeList(
  base: readonly unknown[],
  patch: readonly unknown[],
  keys: readonly string[],
  report: Report,
  path: Path,
): readonly unknown[] {
  const key = keys.find((each) => patch.some((item) => isRecord(item) && item[each] !== undefined))
  const isReplaced = patch.some(
    (item) => isRecord(item) && item[DIRECTIVE] === 'replace' && Object.keys(item).length === 1,
  )
  if (isReplaced) return patch.filter((item) => !(isRecord(item) && item[DIRECTIVE] === 'replace'))
  if (key === undefined) return patch
  const merged = [...base]
  for (const [i, item] of patch.entries()) {
    const at = [...path, i]
    if (!isRecord(item) || item[key] === undefined) {
      report(at, `has no ${key}, by which it would be found`)
      continue
    }
    const found = merged.findIndex((other) => isRecord(other) && other[key] === item[key])
    if (item[DIRECTIVE] !== 'delete') {
      const whole = strategicMerge(asRecord(merged[found]), item, report, at)
      merged.splice(found >= 0 ? found : merged.length, found >= 0 ? 1 : 0, whole)
    } else if (found >= 0) merged.splice(found, 1)
  }
  return merged
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {}
}
