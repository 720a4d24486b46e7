import type { FieldProblem } from '../definition-types.ts'
import type { Crd, CrdNames, CrdVersion } from './crd-types.ts'
import { parseJsonPath } from './json-path.ts'
import { schemaProblems } from './schema-problems.ts'
import { duplicate, forbidden, invalid, notSupported, required } from './structural/field-problem.ts'
import { child, entry, item } from './structural/path.ts'

const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/
const KIND = /^[A-Za-z](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?$/
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*$/
const APPROVAL = 'api-approved.kubernetes.io'
const NOT_A_LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character"

/** Why a CRD that its schema found well-formed cannot be taken. */
export function crdProblems(crd: Crd, old: Crd | undefined): readonly FieldProblem[] {
  const { group, names, versions, conversion, preserveUnknownFields } = crd.spec
  const problems: FieldProblem[] = []
  if (!SUBDOMAIN.test(group) || !group.includes('.'))
    problems.push(invalid('spec.group', group, 'should be a domain with at least one dot'))
  const wanted = `${names.plural}.${group}`
  if (crd.metadata.name !== wanted)
    problems.push(invalid('metadata.name', crd.metadata.name, 'must be spec.names.plural+"."+spec.group'))
  checkNames(names, problems)
  checkApproval(crd, problems)
  checkVersions(versions, problems)
  for (const [i, version] of versions.entries()) checkVersion(version, item('spec.versions', i), problems)
  if (preserveUnknownFields === true)
    problems.push(invalid('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema'))
  if (conversion !== undefined && conversion.strategy !== 'None')
    problems.push(notSupported('spec.conversion.strategy', conversion.strategy, ['None']))
  if (old !== undefined) checkChange(crd, old, problems)
  return problems
}

function checkNames(names: CrdNames, problems: FieldProblem[]): void {
  const { plural, singular, shortNames, kind, listKind, categories } = names
  const labels: readonly (readonly [string, string | undefined])[] = [
    ['plural', plural],
    ['singular', singular],
    ...(shortNames ?? []).map((name, i) => [item('shortNames', i), name] as const),
    ...(categories ?? []).map((name, i) => [item('categories', i), name] as const),
  ]
  for (const [field, name] of labels) {
    if (name !== undefined && !LABEL.test(name)) problems.push(invalid(child('spec.names', field), name, NOT_A_LABEL))
  }
  if (!KIND.test(kind)) problems.push(invalid('spec.names.kind', kind, 'must be a name in camel case'))
  if (listKind !== undefined && !KIND.test(listKind))
    problems.push(invalid('spec.names.listKind', listKind, 'must be a name in camel case'))
  if (listKind === kind)
    problems.push(invalid('spec.names.listKind', listKind, 'kind and listKind may not be the same'))
}

/** Groups of Kubernetes itself are protected: a CRD there says who approved it, or that nobody did. */
function checkApproval({ spec, metadata }: Crd, problems: FieldProblem[]): void {
  const { group } = spec
  const isProtected = group === 'k8s.io' || group === 'kubernetes.io' || /\.(?:k8s|kubernetes)\.io$/.test(group)
  if (!isProtected) return
  const approval = metadata.annotations?.[APPROVAL] ?? ''
  const field = entry('metadata.annotations', APPROVAL)
  const hint = `protected groups must have approval annotation "${APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111`
  if (approval === '') problems.push(required(field, hint))
  else if (!approval.startsWith('unapproved') && !URL.canParse(approval)) problems.push(invalid(field, approval, hint))
}

function checkVersions(versions: readonly CrdVersion[], problems: FieldProblem[]): void {
  const stored = versions.filter(({ storage }) => storage)
  if (stored.length !== 1)
    problems.push(
      invalid(
        'spec.versions',
        stored.map(({ name }) => name),
        'must have exactly one version marked as storage version',
      ),
    )
  const seen = new Set<string>()
  for (const [i, { name }] of versions.entries()) {
    const field = child(item('spec.versions', i), 'name')
    if (!LABEL.test(name)) problems.push(invalid(field, name, NOT_A_LABEL))
    if (seen.has(name)) problems.push(duplicate(field, name))
    seen.add(name)
  }
}

function checkVersion(version: CrdVersion, path: string, problems: FieldProblem[]): void {
  const { schema, additionalPrinterColumns, selectableFields, subresources, deprecated, deprecationWarning } = version
  const root = child(child(path, 'schema'), 'openAPIV3Schema')
  if (schema?.openAPIV3Schema === undefined) problems.push(required(root, 'schemas are required'))
  else problems.push(...schemaProblems(schema.openAPIV3Schema, root))
  const paths: [string, string | undefined][] = [
    ...(additionalPrinterColumns ?? []).map((column, i): [string, string] => [
      child(item('additionalPrinterColumns', i), 'jsonPath'),
      column.jsonPath,
    ]),
    ...(selectableFields ?? []).map((field, i): [string, string] => [
      child(item('selectableFields', i), 'jsonPath'),
      field.jsonPath,
    ]),
    ['subresources.scale.specReplicasPath', subresources?.scale?.specReplicasPath],
    ['subresources.scale.statusReplicasPath', subresources?.scale?.statusReplicasPath],
    ['subresources.scale.labelSelectorPath', subresources?.scale?.labelSelectorPath],
  ]
  for (const [field, text] of paths) {
    if (text === undefined) continue
    const isPath = text.startsWith('.') && parseJsonPath(text) !== undefined
    if (!isPath) problems.push(invalid(child(path, field), text, 'is an invalid JSON path'))
  }
  if (deprecationWarning !== undefined && deprecated !== true)
    problems.push(
      invalid(child(path, 'deprecationWarning'), deprecationWarning, 'can only be set for deprecated versions'),
    )
}

/** What may not change once objects rely on it. */
function checkChange(crd: Crd, old: Crd, problems: FieldProblem[]): void {
  const immutable = (field: string, value: unknown, was: unknown): void => {
    if (value !== was) problems.push(invalid(field, value, 'field is immutable'))
  }
  immutable('spec.group', crd.spec.group, old.spec.group)
  immutable('spec.scope', crd.spec.scope, old.spec.scope)
  immutable('spec.names.kind', crd.spec.names.kind, old.spec.names.kind)
  immutable('spec.names.plural', crd.spec.names.plural, old.spec.names.plural)
  for (const [i, name] of (old.status?.storedVersions ?? []).entries()) {
    if (crd.spec.versions.some((version) => version.name === name)) continue
    problems.push(forbidden(item('status.storedVersions', i), `${name} is stored and must remain in spec.versions`))
  }
}
