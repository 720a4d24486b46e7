import type { FieldProblem, ObjectMeta } from '../types.ts'
import { labelValueProblem, type NameRule, nameProblem, qualifiedNameProblem } from './names.ts'

/** Keys and values of all annotations together (as Kubernetes). */
const MAX_ANNOTATION_BYTES = 256 * 1024

/** What is wrong with an object's metadata; types have been checked before. */
export function metadataProblems(metadata: ObjectMeta, rule: NameRule): FieldProblem[] {
  return [
    ...ofName(metadata.name, rule),
    ...ofLabels(metadata.labels ?? {}),
    ...ofAnnotations(metadata.annotations ?? {}),
    ...ofFinalizers(metadata.finalizers ?? []),
    ...ofOwners(metadata),
  ]
}

function ofName(name: string, rule: NameRule): FieldProblem[] {
  const problem = nameProblem(name, rule)
  return problem === undefined ? [] : [invalid('metadata.name', name, problem)]
}

function ofLabels(labels: Readonly<Record<string, string>>): FieldProblem[] {
  return Object.entries(labels).flatMap(([key, value]) => {
    const ofKey = qualifiedNameProblem(key)
    if (ofKey !== undefined) return [invalid('metadata.labels', key, ofKey)]
    const ofValue = labelValueProblem(value)
    return ofValue === undefined ? [] : [invalid('metadata.labels', value, ofValue)]
  })
}

function ofAnnotations(annotations: Readonly<Record<string, string>>): FieldProblem[] {
  const entries = Object.entries(annotations)
  const problems = entries.flatMap(([key]) => {
    const problem = qualifiedNameProblem(key.toLowerCase())
    return problem === undefined ? [] : [invalid('metadata.annotations', key, problem)]
  })
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
  if (bytes > MAX_ANNOTATION_BYTES)
    problems.push({
      field: 'metadata.annotations',
      reason: 'FieldValueTooLong',
      problem: `Too long: may not be more than ${MAX_ANNOTATION_BYTES} bytes`,
    })
  return problems
}

function ofFinalizers(finalizers: readonly string[]): FieldProblem[] {
  return finalizers.flatMap((finalizer, i) => {
    const problem = qualifiedNameProblem(finalizer)
    return problem === undefined ? [] : [invalid(`metadata.finalizers[${i}]`, finalizer, problem)]
  })
}

function ofOwners({ ownerReferences = [] }: ObjectMeta): FieldProblem[] {
  const problems = ownerReferences.flatMap((owner, i) =>
    (['apiVersion', 'kind', 'name', 'uid'] as const).flatMap((field) =>
      owner[field] === '' ? [invalid(`metadata.ownerReferences[${i}].${field}`, '', `${field} must not be empty`)] : [],
    ),
  )
  const controllers = ownerReferences.filter(({ controller }) => controller === true)
  if (controllers.length > 1)
    problems.push(invalid('metadata.ownerReferences', '', 'Only one reference can have Controller set to true'))
  return problems
}

function invalid(field: string, value: string, why: string): FieldProblem {
  return { field, reason: 'FieldValueInvalid', problem: `Invalid value: ${JSON.stringify(value)}: ${why}` }
}
