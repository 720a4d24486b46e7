/**
 * One OpenMetrics text out of those of several processes: families in the order in which they are first met, the values of
 * equal series added up. A number that says what is, not how much, keeps its largest value.
 *
 * @param texts each as `Metrics.print` gives it
 * @param isState families that are not added up
 */
export function mergeMetrics(texts: readonly string[], isState: (family: string) => boolean): string {
  const families = new Map<string, { readonly head: string; readonly series: Map<string, number> }>()
  for (const text of texts) for (const family of familiesOf(text)) take(families, family, isState)
  const out: string[] = []
  for (const { head, series } of families.values()) {
    out.push(head)
    for (const [name, value] of series) out.push(`${name} ${shown(name, value)}\n`)
  }
  return `${out.join('')}# EOF\n`
}

interface FamilyText {
  readonly name: string
  readonly head: string
  readonly lines: readonly string[]
}

function* familiesOf(text: string): Iterable<FamilyText> {
  let head = ''
  let lines: string[] = []
  const finished = (): FamilyText => ({ name: /^# HELP (\S+)/.exec(head)?.[1] ?? '', head, lines })
  for (const line of text.split('\n')) {
    if (line === '' || line === '# EOF') continue
    if (line.startsWith('# HELP ')) {
      if (head !== '') yield finished()
      head = ''
      lines = []
    }
    if (line.startsWith('#')) head += `${line}\n`
    else lines.push(line)
  }
  if (head !== '') yield finished()
}

function take(
  families: Map<string, { readonly head: string; readonly series: Map<string, number> }>,
  { name, head, lines }: FamilyText,
  isState: (family: string) => boolean,
): void {
  const known = families.get(name) ?? { head, series: new Map<string, number>() }
  families.set(name, known)
  for (const line of lines) {
    // A label may hold spaces, a number none.
    const at = line.lastIndexOf(' ')
    const series = line.slice(0, at)
    const value = Number(line.slice(at + 1))
    const before = known.series.get(series)
    const merged = before === undefined ? value : isState(name) ? Math.max(before, value) : before + value
    known.series.set(series, merged)
  }
}

/** Sums of histograms are floats, and look it (OpenMetrics 1.0). */
function shown(series: string, value: number): string {
  return /_sum(\{|$)/.test(series) && Number.isInteger(value) ? value.toFixed(1) : String(value)
}

/** What of a text stays true when its process has ended: what was counted, not what is. */
export function countersOf(text: string): string {
  const kept = [...familiesOf(text)].filter(({ head }) => !/^# TYPE \S+ gauge$/m.test(head))
  return kept.map(({ head, lines }) => `${head}${lines.map((line) => `${line}\n`).join('')}`).join('')
}
