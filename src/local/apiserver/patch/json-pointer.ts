import { badRequest } from '../api-error.ts'

/** The unescaped steps of a JSON pointer; none for the whole document. */
export type Pointer = readonly string[]

const MOST_STEPS = 128

/**
 * @throws ApiError BadRequest when the text is no pointer
 * @see RFC 6901 §3, §4
 */
export function parsePointer(text: string): Pointer {
  if (text === '') return []
  const shown = JSON.stringify(text.slice(0, 128))
  if (!text.startsWith('/')) throw badRequest(`${shown} is no JSON pointer: it does not begin with "/"`)
  if (/~(?![01])/.test(text)) throw badRequest(`${shown} is no JSON pointer: "~" is not followed by 0 or 1`)
  const steps = text.slice(1).split('/')
  if (steps.length > MOST_STEPS) throw badRequest(`${shown}… has more than ${MOST_STEPS} steps`)
  return steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

export function formatPointer(pointer: Pointer): string {
  return pointer.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** The place in a list that a step names; undefined when it is no index (RFC 6901 §4 allows no leading zeros). */
export function arrayIndex(step: string): number | undefined {
  return /^(?:0|[1-9][0-9]{0,8})$/.test(step) ? Number(step) : undefined
}
