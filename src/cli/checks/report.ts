/** One thing that was looked at. */
export interface CheckLine {
  readonly section: string
  readonly outcome: 'ok' | 'warning' | 'failure'
  readonly text: string
  /** What to do about it; empty when it is well. */
  readonly hint: string
}

const SIGNS: Readonly<Record<CheckLine['outcome'], string>> = { ok: '√', warning: '‼', failure: '×' }

export function ok(section: string, text: string): CheckLine {
  return { section, outcome: 'ok', text, hint: '' }
}

export function warning(section: string, text: string, hint: string): CheckLine {
  return { section, outcome: 'warning', text, hint }
}

export function failure(section: string, text: string, hint: string): CheckLine {
  return { section, outcome: 'failure', text, hint }
}

/** `good`, or a failure with `bad` and what to do. */
export function expected(section: string, isGood: boolean, good: string, bad: string, hint: string): CheckLine {
  return isGood ? ok(section, good) : failure(section, bad, hint)
}

export function isPassed(lines: readonly CheckLine[]): boolean {
  return lines.every(({ outcome }) => outcome !== 'failure')
}

/** Lines below the heads of their sections, hints below their lines; the verdict last. */
export function reportText(lines: readonly CheckLine[]): string {
  const sections = [...new Set(lines.map(({ section }) => section))]
  const parts = sections.map((section) => {
    const own = lines.filter((line) => line.section === section)
    const rows = own.map(
      ({ outcome, text, hint }) => `${SIGNS[outcome]} ${text}\n${hint === '' ? '' : `    ${hint}\n`}`,
    )
    return `${section}\n${'-'.repeat(section.length)}\n${rows.join('')}\n`
  })
  return `${parts.join('')}Status check results are ${isPassed(lines) ? '√' : '×'}\n`
}
