import { createHash } from 'node:crypto'
import { checkedText, integer, list, optional, type Path, type Report, record, text, textMap } from '#shared/document'
import type { ObjectMeta } from './types.ts'

/** Longest object name (Kubernetes "Object Names and IDs": DNS subdomain). */
const MAX_NAME = 253
const NAME = /^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?$/
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

export function nameProblem(name: string): string | undefined {
  return name.length <= MAX_NAME && NAME.test(name) ? undefined : 'is no object name (lower case, digits, - and .)'
}

function namespaceProblem(name: string): string | undefined {
  return NAMESPACE.test(name) ? undefined : 'is no namespace name'
}

function timeProblem(time: string): string | undefined {
  return Number.isNaN(Date.parse(time)) ? 'is no RFC 3339 time' : undefined
}

const metadata = record({
  name: checkedText(nameProblem),
  generateName: text(''),
  namespace: checkedText(namespaceProblem, ''),
  uid: text(''),
  labels: textMap,
  annotations: textMap,
  creationTimestamp: optional(checkedText(timeProblem)),
  deletionTimestamp: optional(checkedText(timeProblem)),
  generation: optional(integer(0, Number.MAX_SAFE_INTEGER)),
  ownerReferences: list(
    record({ kind: text(), name: text(), controller: (value: unknown): boolean => value === true }),
  ),
})

/** Reads `metadata`; a namespaced kind without a namespace is in `default`, a cluster-scoped one in none. */
export function readMetadata(
  value: unknown,
  kind: { readonly kind: string; readonly namespaced: boolean },
  path: Path,
  report: Report,
): ObjectMeta {
  const read = metadata(value, path, report)
  const namespace = kind.namespaced ? read.namespace || 'default' : ''
  return { ...read, namespace, uid: read.uid || stableUid(kind.kind, namespace, read.name) }
}

/** The same object gets the same uid in every process: a name-based UUID (RFC 9562 §5.8, version 8). */
function stableUid(kind: string, namespace: string, name: string): string {
  const hash = createHash('sha256').update(`ambit.dev/${kind}/${namespace}/${name}`).digest()
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  const hex = hash.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}
