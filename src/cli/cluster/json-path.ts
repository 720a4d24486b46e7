import { isRecord, shown } from '#shared/document'
import { MeshError } from '#shared/errors'

/** One step into a document. */
export type PathStep =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'every' }
  | { readonly kind: 'where'; readonly field: readonly string[]; readonly value: string }

const FIELD = /^\.((?:[^.[\]\\{}\s]|\\.)+)/
const INDEX = /^\[(-?\d{1,9})\]/
const EVERY = /^(?:\[\*\]|\.\*)/
const QUOTED = /^\['((?:[^'\\]|\\.)*)'\]/
const WHERE = /^\[\?\(@\.([\w.-]+)\s*==\s*(?:"([^"]*)"|'([^']*)'|(\w+))\)\]/

/**
 * The part of kubectl's JSONPath that names places in an object: fields (a dot in a name as `\.`), indices, `[*]` and
 * `[?(@.type=="Ready")]`; braces and the first dot may be left out.
 * @throws MeshError `COMMAND_FAILED` saying where it is not understood
 */
export function parseJsonPath(text: string): readonly PathStep[] {
  const inner = /^\{(.*)\}$/s.exec(text)?.[1] ?? text
  let rest = inner.startsWith('$') ? inner.slice(1) : inner
  if (rest !== '' && !/^[.[]/.test(rest)) rest = `.${rest}`
  const steps: PathStep[] = []
  while (rest !== '' && rest !== '.') {
    const found = nextStep(rest)
    if (found === undefined)
      throw new MeshError('COMMAND_FAILED', `the JSONPath ${shown(text)} is not understood from ${shown(rest)} on`)
    steps.push(found.step)
    rest = rest.slice(found.length)
  }
  return steps
}

function nextStep(rest: string): { readonly step: PathStep; readonly length: number } | undefined {
  const every = EVERY.exec(rest)
  if (every !== null) return { step: { kind: 'every' }, length: every[0].length }
  const named = FIELD.exec(rest) ?? QUOTED.exec(rest)
  if (named !== null)
    return { step: { kind: 'field', name: (named[1] ?? '').replaceAll(/\\(.)/g, '$1') }, length: named[0].length }
  const index = INDEX.exec(rest)
  if (index !== null) return { step: { kind: 'index', index: Number(index[1]) }, length: index[0].length }
  const where = WHERE.exec(rest)
  if (where === null) return undefined
  const [whole, field = '', double, single, bare] = where
  return {
    step: { kind: 'where', field: field.split('.'), value: double ?? single ?? bare ?? '' },
    length: whole.length,
  }
}

/** The values at a path; none when a step leads nowhere. */
export function valuesAt(document: unknown, steps: readonly PathStep[]): readonly unknown[] {
  let values: readonly unknown[] = [document]
  for (const step of steps) values = values.flatMap((value) => stepInto(value, step))
  return values.filter((value) => value !== undefined)
}

/** As kubectl prints it. */
export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function stepInto(value: unknown, step: PathStep): readonly unknown[] {
  if (step.kind === 'field') return isRecord(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : []
  if (step.kind === 'every') return Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : []
  if (!Array.isArray(value)) return []
  if (step.kind === 'index') return [value.at(step.index)]
  return value.filter((each) =>
    valuesAt(
      each,
      step.field.map((name) => ({ kind: 'field', name })),
    ).some((found) => valueText(found) === step.value),
  )
}
