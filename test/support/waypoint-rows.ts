import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseDocument } from 'yaml'

/** One behaviour: a request, and what has to become of it. What is not said is not looked at. */
export interface Row {
  readonly it: string
  readonly ask?: Ask
  readonly get: Expected
}

export interface Ask {
  readonly method?: string
  readonly path?: string
  readonly host?: string
  readonly headers?: Readonly<Record<string, string>>
  /** A service by name, with `.namespace` unless it is `mesh`; `echo`. */
  readonly to?: string
  readonly port?: number
  /** The peer's identity, `namespace/account`. */
  readonly peer?: string
  /** Of a verified token. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** Headers with which the endpoint answers. */
  readonly answered?: Readonly<Record<string, string>>
}

export interface Expected {
  /** `name[.namespace][:port][/subset]`; null = it is answered here. */
  readonly backend?: string | null
  /** Backends by percent of the requests. */
  readonly shares?: Readonly<Record<string, number>>
  readonly method?: string
  readonly path?: string
  readonly host?: string
  /** Of the forwarded request; several lines are joined by `, `. */
  readonly headers?: Readonly<Record<string, string>>
  readonly absent?: readonly string[]
  readonly status?: number
  /** Of the answer. */
  readonly answer?: Readonly<Record<string, string>>
  readonly answerAbsent?: readonly string[]
  /** Backends that get a copy, by percent of the requests. */
  readonly mirrors?: Readonly<Record<string, number>>
  readonly timeoutMs?: number | null
  readonly tryTimeoutMs?: number | null
  readonly retry?: { readonly attempts: number; readonly codes?: readonly number[]; readonly backoffMs?: number } | null
  /** For how long it was held back. */
  readonly delayMs?: number
  /** Of an answer of our own. */
  readonly body?: string
  readonly grpcStatus?: number
  /** The rule's name, for logs. */
  readonly rule?: string
}

export interface Feature {
  /** Of its file; as the Gateway API calls it, if it does. */
  readonly name: string
  readonly level: 'core' | 'extended' | 'istio'
  readonly rows: readonly Row[]
  readonly manifests: string
}

/** Each file of a folder: its level and its rows, then the objects. */
export function readFeatures(folder: string): readonly Feature[] {
  return globSync('*.yaml', { cwd: folder })
    .sort()
    .map((file) => readFeature(basename(file, '.yaml'), readFileSync(join(folder, file), 'utf8')))
}

const ROW_WORDS = new Set(['it', 'ask', 'get'])
const ASK_WORDS = new Set(['method', 'path', 'host', 'headers', 'to', 'port', 'peer', 'claims', 'answered'])
const GET_WORDS = new Set([
  'backend',
  'shares',
  'method',
  'path',
  'host',
  'headers',
  'absent',
  'status',
  'answer',
  'answerAbsent',
  'mirrors',
  'timeoutMs',
  'tryTimeoutMs',
  'retry',
  'delayMs',
  'body',
  'grpcStatus',
  'rule',
])

function readFeature(name: string, text: string): Feature {
  const end = text.indexOf('\n---\n')
  const document = parseDocument(text.slice(0, end))
  if (end === -1 || document.errors.length > 0)
    throw new Error(`${name}: ${document.errors[0]?.message ?? 'no objects'}`)
  // Checked word by word below: a misspelt expectation would never fail.
  const { level, rows } = document.toJS() as Pick<Feature, 'level' | 'rows'>
  for (const row of rows) {
    known(`${name}: ${row.it}`, row, ROW_WORDS)
    known(`${name}: ${row.it}: ask`, row.ask ?? {}, ASK_WORDS)
    known(`${name}: ${row.it}: get`, row.get, GET_WORDS)
    if (Object.keys(row.get).length === 0) throw new Error(`${name}: ${row.it}: expects nothing`)
  }
  return { name, level, rows, manifests: text.slice(end + 1) }
}

function known(place: string, record: object, words: ReadonlySet<string>): void {
  for (const word of Object.keys(record)) if (!words.has(word)) throw new Error(`${place}: what is ${word}?`)
}
