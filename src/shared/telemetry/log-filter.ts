import { MeshError } from '#shared/errors'
import type { LogLevel } from './types.ts'

/** From silent to everything; a line passes when its level's number is at most the scope's. */
const LEVELS = ['off', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type FilterLevel = (typeof LEVELS)[number]

const MAX_DIRECTIVES = 64

interface Directive {
  /** Empty = every scope. */
  readonly scope: string
  readonly level: FilterLevel
}

/**
 * `level` or `scope=level`, as a comma list, like Istio's RUST_LOG. The most specific directive counts; a directive
 * covers its scope and what is below it (`xds` covers `xds::client`), later ones replace earlier ones of that scope.
 */
export class LogFilter {
  readonly #initial: readonly Directive[]
  #directives: readonly Directive[]
  readonly #watchers = new Set<() => void>()

  /** @throws MeshError `CONFIG_INVALID` */
  constructor(text: string) {
    this.#initial = merge([{ scope: '', level: 'info' }], parse(text))
    this.#directives = this.#initial
  }

  /**
   * Adds to the current filter.
   *
   * @throws MeshError `CONFIG_INVALID`; the filter then stays as it is
   */
  add(text: string): void {
    this.#replace(merge(this.#directives, parse(text)))
  }

  /** Back to what the program was started with. */
  reset(): void {
    this.#replace(this.#initial)
  }

  /** The number of the highest level that passes; compare with `levelNumber`. */
  threshold(scope: string): number {
    let best: Directive | undefined
    for (const directive of this.#directives) {
      if (covers(directive.scope, scope) && directive.scope.length >= (best?.scope.length ?? 0)) best = directive
    }
    return LEVELS.indexOf(best?.level ?? 'info')
  }

  onChanged(watch: () => void): void {
    this.#watchers.add(watch)
  }

  toString(): string {
    return this.#directives.map(({ scope, level }) => (scope === '' ? level : `${scope}=${level}`)).join(',')
  }

  #replace(directives: readonly Directive[]): void {
    this.#directives = directives
    for (const watch of this.#watchers) watch()
  }
}

export function levelNumber(level: LogLevel): number {
  return LEVELS.indexOf(level)
}

function parse(text: string): readonly Directive[] {
  const parts = text.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]))
  if (parts.length > MAX_DIRECTIVES) throw invalid(`more than ${MAX_DIRECTIVES} directives`)
  return parts.map((part) => {
    const [, scope = '', name = ''] = /^(?:([\w:.-]{1,64})=)?(\w+)$/.exec(part) ?? []
    const level = LEVELS.find((candidate) => candidate === name.toLowerCase())
    if (level === undefined) throw invalid(`${JSON.stringify(part.slice(0, 64))} is no level`)
    return { scope: scope.replace(/^ztunnel::/, ''), level }
  })
}

function merge(current: readonly Directive[], added: readonly Directive[]): readonly Directive[] {
  const byScope = new Map([...current, ...added].map((directive) => [directive.scope, directive]))
  if (byScope.size > MAX_DIRECTIVES) throw invalid(`more than ${MAX_DIRECTIVES} directives`)
  return [...byScope.values()]
}

function covers(directive: string, scope: string): boolean {
  return directive === '' || scope === directive || scope.startsWith(`${directive}::`)
}

function invalid(reason: string): MeshError {
  return new MeshError('CONFIG_INVALID', `log filter: ${reason}`)
}
