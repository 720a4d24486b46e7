import { type Path, type Report, record, type Shape, text } from '#shared/document'
import { parseQuantity } from '../apiserver/index.ts'

/** One value of the pod's own object. */
export type FieldRef =
  | { readonly kind: 'plain'; readonly field: PlainField }
  | { readonly kind: 'keyed'; readonly list: MetadataList; readonly key: string }
  /** All of them, one a line; only as a file. */
  | { readonly kind: 'all'; readonly list: MetadataList }

const LISTS = ['labels', 'annotations'] as const
export type MetadataList = (typeof LISTS)[number]

const ANYWHERE = ['metadata.name', 'metadata.namespace', 'metadata.uid'] as const
const ENVIRONMENT_ONLY = [
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
] as const
export type PlainField = (typeof ANYWHERE)[number] | (typeof ENVIRONMENT_ONLY)[number]

/** What a container asks for or is limited to, in units of `divisor`. */
export interface ResourceRef {
  /** Empty: the container that has the variable. */
  readonly containerName: string
  readonly list: 'limits' | 'requests'
  readonly resource: string
  /** A quantity that is not zero. */
  readonly divisor: string
}

const KEYED = /^metadata\.(labels|annotations)\['([^']+)'\]$/
const RESOURCE = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/

/** Variables and files may show different fields (Kubernetes' downward API). */
export function fieldRef(place: 'environment' | 'file'): Shape<FieldRef> {
  return (value, path, report) => {
    const { fieldPath } = record({ apiVersion: text('v1'), fieldPath: text() })(value, path, report)
    const [, keyedList, key] = KEYED.exec(fieldPath) ?? []
    const list = LISTS.find((each) => each === keyedList || fieldPath === `metadata.${each}`)
    if (list !== undefined && key !== undefined) return { kind: 'keyed', list, key }
    if (list !== undefined && place === 'file') return { kind: 'all', list }
    const known = place === 'file' ? ANYWHERE : [...ANYWHERE, ...ENVIRONMENT_ONLY]
    const field = known.find((each) => each === fieldPath)
    if (field !== undefined) return { kind: 'plain', field }
    report([...path, 'fieldPath'], `${JSON.stringify(fieldPath)} cannot be shown; ${known.join(', ')} can`)
    return { kind: 'plain', field: 'metadata.name' }
  }
}

export function resourceRef(value: unknown, path: Path, report: Report): ResourceRef {
  const { containerName, resource, divisor } = record({
    containerName: text(''),
    resource: text(),
    divisor: (each: unknown) => (each === undefined ? '1' : String(each)),
  })(value, path, report)
  const [, list, name = 'cpu'] = RESOURCE.exec(resource) ?? []
  if (list === undefined)
    report([...path, 'resource'], 'must be limits or requests of cpu, memory or ephemeral-storage')
  const unit = parseQuantity(divisor)
  if (unit === undefined || unit.nano < 0n) report([...path, 'divisor'], 'must be a quantity such as 1, 1m or 1Mi')
  return {
    containerName,
    list: list === 'requests' ? 'requests' : 'limits',
    resource: name,
    // Nothing written arrives from the API as 0.
    divisor: unit === undefined || unit.nano <= 0n ? '1' : divisor,
  }
}
