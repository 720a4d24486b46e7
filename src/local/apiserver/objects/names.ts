const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const QUALIFIED_NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/
const SERVICE = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/

const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const SERVICE_RULE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
const LABEL_VALUE_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
const QUALIFIED_NAME_RULE =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

/** How names of a resource must look; RBAC names are any path segment. */
export type NameRule = 'subdomain' | 'label' | 'service' | 'path-segment'

/** @returns what is wrong; undefined: nothing */
export function nameProblem(name: string, rule: NameRule): string | undefined {
  if (rule === 'path-segment')
    return name === '.' || name === '..' || /[/%]/.test(name) ? "may not be '.', '..' or contain '/' or '%'" : undefined
  const maxLength = rule === 'subdomain' ? 253 : 63
  if (name.length > maxLength) return `must be no more than ${maxLength} characters`
  if (rule === 'subdomain') return SUBDOMAIN.test(name) ? undefined : SUBDOMAIN_RULE
  if (rule === 'service') return SERVICE.test(name) ? undefined : SERVICE_RULE
  return LABEL.test(name) ? undefined : LABEL_RULE
}

/** Of a label's or annotation's key, or a finalizer. */
export function qualifiedNameProblem(key: string): string | undefined {
  const [first = '', second, ...more] = key.split('/')
  if (more.length > 0) return "a qualified name must consist of a prefix and a name joined by one '/'"
  if (second !== undefined && nameProblem(first, 'subdomain') !== undefined) return `prefix part ${SUBDOMAIN_RULE}`
  const name = second ?? first
  if (name === '') return 'name part must be non-empty'
  if (name.length > 63) return 'name part must be no more than 63 characters'
  return QUALIFIED_NAME.test(name) ? undefined : QUALIFIED_NAME_RULE
}

export function labelValueProblem(value: string): string | undefined {
  if (value.length > 63) return 'must be no more than 63 characters'
  return LABEL_VALUE.test(value) ? undefined : LABEL_VALUE_RULE
}
