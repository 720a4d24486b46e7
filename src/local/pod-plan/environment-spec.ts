import { checkedText, flag, list, type Path, type Report, record, required, type Shape, text } from '#shared/document'
import { type FieldRef, fieldRef, type ResourceRef, resourceRef } from './downward-spec.ts'

export interface EnvironmentSpec {
  readonly env: readonly EnvSpec[]
  readonly envFrom: readonly EnvFromSpec[]
}

export interface EnvSpec {
  readonly name: string
  readonly source: EnvSource
}

export type EnvSource =
  /** With `$(NAME)` in it. */
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'field'; readonly field: FieldRef }
  | { readonly kind: 'resource'; readonly resource: ResourceRef }
  | { readonly kind: 'key'; readonly from: ConfigRef; readonly key: string }

export interface EnvFromSpec {
  readonly prefix: string
  readonly from: ConfigRef
}

/** A ConfigMap or Secret of the pod's namespace. */
export interface ConfigRef {
  readonly kind: 'ConfigMap' | 'Secret'
  readonly name: string
  readonly optional: boolean
}

/** What Kubernetes takes since 1.30. */
const NAME = /^[ -<>-~]+$/
const name: Shape<string> = checkedText((given) => (NAME.test(given) ? undefined : 'is no name of a variable'))
const reference = record({ name: text(), optional: flag })
const selector = record({ name: text(), key: text(), optional: flag })
const any: Shape<unknown> = (value) => value

export const environmentSpec: Shape<EnvironmentSpec> = record({ env: list(variable), envFrom: list(everyKey) })

function variable(value: unknown, path: Path, report: Report): EnvSpec {
  const read = record({ name, value: any, valueFrom: any })(value, path, report)
  if (read.valueFrom === undefined)
    return { name: read.name, source: { kind: 'value', value: text('')(read.value, [...path, 'value'], report) } }
  if (read.value !== undefined && read.value !== '') report([...path, 'valueFrom'], 'cannot be given beside a value')
  return { name: read.name, source: source(read.valueFrom, [...path, 'valueFrom'], report) }
}

const sources: Readonly<Record<string, Shape<EnvSource>>> = {
  fieldRef: (value, path, report) => ({ kind: 'field', field: fieldRef('environment')(value, path, report) }),
  resourceFieldRef: (value, path, report) => ({ kind: 'resource', resource: resourceRef(value, path, report) }),
  configMapKeyRef: keyOf('ConfigMap'),
  secretKeyRef: keyOf('Secret'),
}

function source(value: unknown, path: Path, report: Report): EnvSource {
  const written = record({ fieldRef: any, resourceFieldRef: any, configMapKeyRef: any, secretKeyRef: any })(
    value,
    path,
    report,
  )
  const [given, ...more] = Object.entries(written).filter(([, each]) => each !== undefined)
  if (given !== undefined && more.length === 0) return sources[given[0]]!(given[1], [...path, given[0]], report)
  report(path, `must have exactly one of ${Object.keys(sources).join(', ')}`)
  return { kind: 'value', value: '' }
}

function keyOf(kind: ConfigRef['kind']): Shape<EnvSource> {
  return (value, path, report) => {
    const { key, ...from } = selector(value, path, report)
    return { kind: 'key', key, from: { kind, ...from } }
  }
}

function everyKey(value: unknown, path: Path, report: Report): EnvFromSpec {
  const { prefix, configMapRef, secretRef } = record({ prefix: text(''), configMapRef: any, secretRef: any })(
    value,
    path,
    report,
  )
  if ((configMapRef === undefined) === (secretRef === undefined))
    report(path, 'must have exactly one of configMapRef, secretRef')
  if (prefix !== '' && !NAME.test(prefix)) report([...path, 'prefix'], 'is no beginning of a name of a variable')
  const [kind, field, written] =
    secretRef === undefined
      ? (['ConfigMap', 'configMapRef', configMapRef] as const)
      : (['Secret', 'secretRef', secretRef] as const)
  return { prefix, from: { kind, ...required(reference)(written, [...path, field], report) } }
}
