/** A number that only grows; add to `value` in place. */
export interface Counter {
  value: number
}

/** A number that goes both ways. */
export interface Gauge {
  value: number
}

export interface Histogram {
  observe(value: number): void
}

/** One family whose series are told apart by label values, in the order of the family's label names. */
export interface Family<T> {
  with(...labels: readonly string[]): T
  /** The series of a whole text of labels (`labelText`), for labels that are not the family's own. */
  labelled(text: string): T
  /** Series so far; bounded by `MAX_SERIES`. */
  readonly size: number
}

type FamilyKind = 'counter' | 'gauge' | 'histogram' | 'unknown'

interface Described {
  readonly name: string
  readonly help: string
  readonly kind: FamilyKind
}

/** What label values that are not known are called. */
export const UNKNOWN = 'unknown'

/** Series of one family; more share one series whose labels all read `overflow`, and are counted. */
const MAX_SERIES = 20_000
const OVERFLOW = 'overflow'
const OVERFLOW_TEXT = `reporter="${OVERFLOW}"`

export const METRICS_CONTENT_TYPE = 'application/openmetrics-text;charset=utf-8;version=1.0.0'

/**
 * The numbers of a program and their text form, OpenMetrics 1.0 as Istio's ztunnel prints it: names without `_total` in
 * HELP and TYPE, `# EOF` at the end. Series are plain records, so that the hot path only adds to a number; look one
 * up once for each connection, not for each chunk.
 */
export class Metrics {
  readonly #families = new Map<string, { readonly described: Described; readonly print: (out: string[]) => void }>()
  readonly #collectors: (() => void)[] = []
  /** By list of label names: families that are given the same list share the texts of their label sets. */
  readonly #labelSets = new Map<readonly string[], LabelSets>()
  readonly #overflows: Counter

  constructor() {
    this.#overflows = this.counter('ambit_metrics_series_overflows', 'Label sets that found their family full')
  }

  /** `name` without `_total`, which the text form adds. */
  counter(name: string, help: string): Counter {
    return this.counters(name, help, []).with()
  }

  gauge(name: string, help: string): Gauge {
    return this.gauges(name, help, []).with()
  }

  counters(name: string, help: string, labelNames: readonly string[]): Family<Counter> {
    return this.#numbers({ name, help, kind: 'counter' }, labelNames, '_total')
  }

  /** Counters under names of Istio's control plane, which end in no `_total`; their type then is `unknown`. */
  plainCounters(name: string, help: string, labelNames: readonly string[]): Family<Counter> {
    return this.#numbers({ name, help, kind: 'unknown' }, labelNames, '')
  }

  gauges(name: string, help: string, labelNames: readonly string[]): Family<Gauge> {
    return this.#numbers({ name, help, kind: 'gauge' }, labelNames, '')
  }

  /** @param bounds upper bounds, growing; +Inf is added */
  histograms(name: string, help: string, labelNames: readonly string[], bounds: readonly number[]): Family<Histogram> {
    const family = new SeriesMap(this.#labelSetsOf(labelNames), () => new Buckets(bounds), this.#overflowed)
    this.#register({ name, help, kind: 'histogram' }, (out) => {
      for (const [labels, buckets] of family.entries()) buckets.print(out, name, labels)
    })
    return family
  }

  /** Called before each print, to bring numbers up to date that nobody keeps. */
  onCollect(collect: () => void): void {
    this.#collectors.push(collect)
  }

  /** The whole text, families in the order in which they were made. */
  print(): string {
    for (const collect of this.#collectors) collect()
    const out: string[] = []
    for (const { described, print } of this.#families.values()) {
      out.push(`# HELP ${described.name} ${described.help}.\n# TYPE ${described.name} ${described.kind}\n`)
      print(out)
    }
    out.push('# EOF\n')
    return out.join('')
  }

  #numbers(described: Described, labelNames: readonly string[], suffix: string): Family<Counter> {
    const family = new SeriesMap(this.#labelSetsOf(labelNames), () => ({ value: 0 }), this.#overflowed)
    this.#register(described, (out) => {
      for (const [labels, series] of family.entries()) {
        out.push(`${described.name}${suffix}${labels === '' ? '' : `{${labels}}`} ${series.value}\n`)
      }
    })
    return family
  }

  #labelSetsOf(names: readonly string[]): LabelSets {
    const known = this.#labelSets.get(names) ?? new LabelSets(names)
    this.#labelSets.set(names, known)
    return known
  }

  readonly #overflowed = (): void => {
    this.#overflows.value++
  }

  #register(described: Described, print: (out: string[]) => void): void {
    if (this.#families.has(described.name)) throw new Error(`metric ${described.name} is registered twice`)
    this.#families.set(described.name, { described, print })
  }
}

/** One set of label values: what it is looked up by, and its text form. */
interface LabelSet {
  readonly key: string
  readonly text: string
}

/** The label sets of families with the same labels. A set's texts are a kilobyte, so that they are kept once. */
class LabelSets {
  readonly #names: readonly string[]
  readonly #sets = new Map<string, LabelSet>()

  constructor(names: readonly string[]) {
    this.#names = names
  }

  /** The same object for the same values, as long as there are not too many. */
  of(key: string, values: readonly string[]): LabelSet {
    const known = this.#sets.get(key)
    if (known !== undefined) return known
    if (values.length !== this.#names.length) {
      throw new Error(`${values.length} label values for ${this.#names.join(', ')}`)
    }
    const text = labelText(this.#names, values)
    const made = { key, text }
    if (this.#sets.size < MAX_SERIES) this.#sets.set(key, made)
    return made
  }
}

class SeriesMap<T> implements Family<T> {
  readonly #labelSets: LabelSets
  readonly #make: () => T
  readonly #overflowed: () => void
  /** By label values, joined with a character that cannot stand in a label. */
  readonly #series = new Map<string, { readonly labels: LabelSet; readonly series: T }>()

  constructor(labelSets: LabelSets, make: () => T, overflowed: () => void) {
    this.#labelSets = labelSets
    this.#make = make
    this.#overflowed = overflowed
  }

  get size(): number {
    return this.#series.size
  }

  with(...values: readonly string[]): T {
    const key = values.join('\u0000')
    const found = this.#series.get(key)
    if (found !== undefined) return found.series
    if (this.#series.size >= MAX_SERIES && !values.every((value) => value === OVERFLOW)) {
      this.#overflowed()
      return this.with(...values.map(() => OVERFLOW))
    }
    const labels = this.#labelSets.of(key, values)
    const series = this.#make()
    this.#series.set(labels.key, { labels, series })
    return series
  }

  labelled(text: string): T {
    const found = this.#series.get(text)
    if (found !== undefined) return found.series
    if (this.#series.size >= MAX_SERIES && text !== OVERFLOW_TEXT) {
      this.#overflowed()
      return this.labelled(OVERFLOW_TEXT)
    }
    const series = this.#make()
    this.#series.set(text, { labels: { key: text, text }, series })
    return series
  }

  *entries(): Iterable<readonly [labels: string, series: T]> {
    for (const { labels, series } of this.#series.values()) yield [labels.text, series]
  }
}

class Buckets implements Histogram {
  readonly #bounds: readonly number[]
  /** Not cumulative; the last one is +Inf. */
  readonly #counts: number[]
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Array<number>(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    let i = 0
    while (i < this.#bounds.length && value > (this.#bounds[i] ?? 0)) i++
    this.#counts[i] = (this.#counts[i] ?? 0) + 1
    this.#sum += value
  }

  print(out: string[], name: string, labels: string): void {
    const before = labels === '' ? '' : `${labels},`
    const braced = labels === '' ? '' : `{${labels}}`
    const total = this.#counts.reduce((sum, count) => sum + count, 0)
    let below = 0
    out.push(`${name}_sum${braced} ${float(this.#sum)}\n${name}_count${braced} ${total}\n`)
    for (const [i, count] of this.#counts.entries()) {
      below += count
      const bound = this.#bounds[i]
      out.push(`${name}_bucket{${before}le="${bound === undefined ? '+Inf' : float(bound)}"} ${below}\n`)
    }
  }
}

/** OpenMetrics wants a float where a float is meant: `1.0`, not `1`. */
function float(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value)
}

/** What stands between the braces of a series. */
export function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, i) => `${name}="${escapeLabel(values[i] ?? '')}"`).join(',')
}

function escapeLabel(value: string): string {
  return /["\\\n]/.test(value) ? value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n') : value
}
