import { CHECKS, type Finding, SEVERITIES, type Severity, shownObject } from '#shared/analysis'
import { formatPath } from '#shared/document'

/** Where an object was written: `FILE:LINE`; undefined for one of a cluster. */
export type WhereOf = (finding: Finding) => string | undefined

export function isAtLeast({ code }: Finding, threshold: Severity): boolean {
  return SEVERITIES.indexOf(CHECKS[code].severity) <= SEVERITIES.indexOf(threshold)
}

/** Two lines for each: what is wrong, and what to do; then how many. */
export function findingsText(findings: readonly Finding[], objects: number, whereOf: WhereOf): string {
  if (findings.length === 0) return `√ nothing was found in ${objects} objects\n`
  const lines = findings.map((finding) => {
    const { severity, advice } = CHECKS[finding.code]
    const place = [shownObject(finding.object), whereOf(finding)].filter((part) => part !== undefined).join(' ')
    const field = finding.path.length === 0 ? '' : `${formatPath(finding.path)}: `
    return `${severity} [${finding.code}] (${place}) ${field}${finding.reason}\n    ${advice}\n`
  })
  const counts = SEVERITIES.map((severity) => {
    const count = findings.filter(({ code }) => CHECKS[code].severity === severity).length
    return `${count} ${severity.toLowerCase()}${count === 1 ? '' : 's'}`
  })
  return `${lines.join('')}\n${counts.join(', ')} in ${objects} objects\n`
}

/** The keys of istioctl, and `field` and `advice`. */
export function findingsDocument(findings: readonly Finding[], whereOf: WhereOf): readonly object[] {
  return findings.map((finding) => {
    const { name, severity, advice } = CHECKS[finding.code]
    return {
      code: finding.code,
      name,
      level: severity,
      origin: shownObject(finding.object),
      reference: whereOf(finding),
      field: formatPath(finding.path),
      message: finding.reason,
      advice,
    }
  })
}
