import { Environment, Optional, type ParseResult } from '@marcbachmann/cel-js'
import { registerLists } from './library-lists.ts'
import { registerNet } from './library-net.ts'
import { registerText, SAFE_MATCHES } from './library-text.ts'
import type { Meter } from './meter.ts'

/** Longest expression, in characters. */
const MAX_TEXT = 8_192

/** A rule's expression, ready to run. */
export interface Expression {
  /** CEL's name of what comes out, as far as it is known: `bool`, `string`, `dyn`. */
  readonly type: string
  /** A transition rule speaks of the object before the change. */
  readonly usesOldSelf: boolean
  /**
   * @throws Error when it fails, or the meter's budget is used up
   */
  run(variables: { readonly self: unknown; readonly oldSelf?: unknown }, meter: Meter): unknown
}

let environment: Environment | undefined

/** Made when the first rule is compiled: most CRDs have none, and it takes some milliseconds. */
function rulesEnvironment(): Environment {
  if (environment === undefined) {
    const made = new Environment({
      enableOptionalTypes: true,
      homogeneousAggregateLiterals: false,
      limits: { maxAstNodes: 10_000, maxDepth: 100 },
    })
    made.registerVariable('self', 'dyn').registerVariable('oldSelf', 'dyn')
    registerText(made)
    registerLists(made)
    registerNet(made)
    environment = made
  }
  return environment
}

/** @throws Error with one line why, when the text is no expression */
export function compileExpression(text: string): Expression {
  if (text.length > MAX_TEXT) throw new Error(`longer than ${MAX_TEXT} characters`)
  const parsed = parse(text)
  const nodes = nodesOf(parsed.ast as unknown as Node)
  for (const node of nodes) {
    useLinearRegex(node)
    useGeneralHas(node)
  }
  const checked = parsed.check()
  if (!checked.valid) throw new Error(oneLine(checked.error))
  const run = { meter: undefined as Meter | undefined }
  // Macros are expanded by now; their parts are reached through the nodes' meta.
  for (const node of nodes) measure(node, run)
  return {
    type: checked.type ?? 'dyn',
    usesOldSelf: [...nodes].some(({ op, args }) => op === 'id' && args === 'oldSelf'),
    run(variables, meter) {
      run.meter = meter
      try {
        return parsed(variables)
      } catch (error) {
        throw new Error(meter.isExhausted ? 'call cost exceeds limit' : oneLine(error))
      } finally {
        run.meter = undefined
      }
    },
  }
}

function parse(text: string): ParseResult {
  try {
    return rulesEnvironment().parse(text)
  } catch (error) {
    throw new Error(oneLine(error))
  }
}

/** The evaluator's messages draw the place under the text; the first line says it. */
function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
}

/**
 * A node of the evaluator's tree, as far as it is used here. The package's version is pinned and
 * `expression.test.ts` fails when these parts change.
 */
interface Node {
  readonly op: string
  args: unknown
  readonly meta: {
    readonly evaluate: Evaluate
    readonly alternate?: Node
    readonly macro?: { readonly evaluate: Evaluate }
  }
  evaluate: Evaluate
  setMeta(key: 'macro', value: object): void
}
interface Checker {
  check(node: Node, context: unknown): unknown
  getType(name: string): unknown
}
interface Evaluator {
  run(node: Node, context: unknown): unknown
}
type Evaluate = (evaluator: unknown, ast: unknown, context: unknown) => unknown

function isNode(value: object): value is Node {
  return 'op' in value && 'meta' in value && 'evaluate' in value
}

/** Every node of the tree, also those that macros were expanded to. */
function nodesOf(root: Node): ReadonlySet<Node> {
  const nodes = new Set<Node>()
  const seen = new Set<object>()
  const waiting: unknown[] = [root]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next !== 'object' || next === null || seen.has(next)) continue
    seen.add(next)
    if (Array.isArray(next)) waiting.push(...next)
    else if (isNode(next)) {
      nodes.add(next)
      waiting.push(next.args, next.meta.alternate, next.meta.macro)
    } else if (Object.getPrototypeOf(next) === Object.prototype) waiting.push(...Object.values(next))
  }
  return nodes
}

function useLinearRegex(node: Node): void {
  if (node.op !== 'rcall' || !Array.isArray(node.args) || node.args[0] !== 'matches') return
  node.args = [SAFE_MATCHES, ...node.args.slice(1)]
}

/**
 * `has(a.b)` whatever `a` is: the evaluator's own one takes only a chain of names, and Gateway API asks
 * `has(self[0].matches)`.
 *
 * @throws Error when the argument is no field
 */
function useGeneralHas(node: Node): void {
  if (node.op !== 'call' || node.meta.macro === undefined || !Array.isArray(node.args) || node.args[0] !== 'has') return
  const [argument] = node.args[1] as readonly [Node]
  if (argument.op !== '.' && argument.op !== '.?') throw new Error('invalid argument to has() macro')
  const [operand, field] = argument.args as readonly [Node, string]
  node.setMeta('macro', {
    typeCheck: (checker: Checker, _: unknown, context: unknown) => {
      checker.check(operand, context)
      return checker.getType('bool')
    },
    evaluate: (evaluator: Evaluator, _: unknown, context: unknown) => hasField(evaluator.run(operand, context), field),
  })
}

function hasField(value: unknown, field: string): boolean {
  if (value instanceof Optional) return value.hasValue() && hasField(value.value(), field)
  if (value instanceof Map) return value.has(field)
  // Literals are plain objects, the values of documents are maps.
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.hasOwn(value, field)
  throw new Error(`no such field: ${field}`)
}

/** Operations whose result is new, and may be large. */
const MAKERS: ReadonlySet<string> = new Set(['+', 'call', 'rcall', 'list', 'map'])

/** Makes each evaluation of a node count. */
function measure(node: Node, run: { readonly meter: Meter | undefined }): void {
  const { alternate, macro, evaluate } = node.meta
  if (alternate !== undefined) {
    node.evaluate = (evaluator, _, context) => alternate.evaluate(evaluator, alternate, context)
    return
  }
  const isMaker = MAKERS.has(node.op)
  node.evaluate = (evaluator, ast, context) => {
    run.meter?.spend(1)
    const value = macro === undefined ? evaluate(evaluator, ast, context) : macro.evaluate(evaluator, macro, context)
    if (isMaker) run.meter?.spendOn(value)
    return value
  }
}
