/** What of an object cannot be honoured, and why. */
export interface Finding {
  /** `spec.rules[0].backendRefs[1]`. */
  readonly path: string
  /** Gateway API's reason where it has one. */
  readonly reason:
    | 'BackendNotFound'
    | 'RefNotPermitted'
    | 'InvalidKind'
    | 'UnsupportedValue'
    | 'Invalid'
    | 'Conflicted'
    | 'AncestorNotBound'
  readonly message: string
}

export type Find = (finding: Finding) => void

/** References that lead nowhere; they leave the object as it is and fail its traffic. */
export const REFERENCE_REASONS: ReadonlySet<Finding['reason']> = new Set([
  'BackendNotFound',
  'RefNotPermitted',
  'InvalidKind',
])

export function messageOf(findings: readonly Finding[]): string {
  const told = findings.slice(0, MAX_TOLD).map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
  const more = findings.length - told.length
  return [...told, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
}

/** A condition's message is read by people. */
const MAX_TOLD = 8
