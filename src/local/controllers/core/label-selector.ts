import type { LabelSelector, Labels, SelectorRequirement } from './shapes.ts'

/** An empty selector matches everything, as in Kubernetes; kinds that must not have one refuse it in validation. */
export function selects(selector: LabelSelector, labels: Labels = {}): boolean {
  return (
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
    (selector.matchExpressions ?? []).every((requirement) => meets(requirement, labels))
  )
}

/** `Gt` and `Lt` compare whole numbers, in node selectors only. */
export function meets({ key, operator, values = [] }: SelectorRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && wholeNumber(value) > wholeNumber(values[0])
    case 'Lt':
      return value !== undefined && wholeNumber(value) < wholeNumber(values[0])
  }
}

function wholeNumber(text: string | undefined): number {
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : Number.NaN
}
