import { list, oneOf, record, type Shape, text, textMap } from '#shared/document'
import type { MetadataSelector, SelectorExpression } from './gateway-types.ts'

const expressionFields = record({
  key: text(),
  operator: oneOf(['In', 'NotIn', 'Exists', 'DoesNotExist'], undefined),
  values: list(text()),
})

const expression: Shape<SelectorExpression> = (value, path, report) => {
  const found = expressionFields(value, path, report)
  const needsValues = found.operator === 'In' || found.operator === 'NotIn'
  if (needsValues !== found.values.length > 0)
    report([...path, 'values'], needsValues ? 'is missing' : `is not for ${found.operator}`)
  return found
}

export const metadataSelector: Shape<MetadataSelector> = record({
  matchLabels: textMap,
  matchExpressions: list(expression),
})

/** Whether labels are what a selector asks for (Kubernetes "Labels and Selectors": a missing label is not in any list). */
export function matchesSelector(
  { matchLabels, matchExpressions }: MetadataSelector,
  labels: Readonly<Record<string, string>>,
): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every((wanted) => matchesExpression(wanted, labels[wanted.key]))
  )
}

function matchesExpression({ operator, values }: SelectorExpression, label: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return label !== undefined && values.includes(label)
    case 'NotIn':
      return label === undefined || !values.includes(label)
    case 'Exists':
      return label !== undefined
    case 'DoesNotExist':
      return label === undefined
  }
}
