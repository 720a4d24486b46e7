import { stringify } from 'yaml'

/** The two forms for machines; both with the same keys. */
const DOCUMENT_FORMATS = ['json', 'yaml'] as const
export type DocumentFormat = (typeof DOCUMENT_FORMATS)[number]

export function documentText(format: DocumentFormat, value: unknown): string {
  return format === 'json'
    ? `${JSON.stringify(value, null, 2)}\n`
    : // Undefined is left out, as in JSON; references would be no plain data.
      stringify(JSON.parse(JSON.stringify(value)), { lineWidth: 0, aliasDuplicateObjects: false })
}
