import type { Environment } from '@marcbachmann/cel-js'
import { parseQuantity, Quantity } from './quantity.ts'

class Namespace {}

type Ordered = bigint | number | string | boolean | Date

/** Sums, orders and sets of lists, and quantities. */
export function registerLists(env: Environment): void {
  env
    .registerFunction('list.isSorted(): bool', (list: readonly Ordered[]) =>
      list.every((each, i) => i === 0 || (list[i - 1] ?? each) <= each),
    )
    .registerFunction('list.sum(): dyn', sum)
    .registerFunction('list.min(): dyn', (list: readonly Ordered[]) => extreme(list, (a, b) => a < b))
    .registerFunction('list.max(): dyn', (list: readonly Ordered[]) => extreme(list, (a, b) => a > b))
    .registerFunction('list.indexOf(dyn): int', (list: readonly unknown[], value: unknown) =>
      BigInt(list.findIndex((each) => isSame(each, value))),
    )
    .registerFunction('list.lastIndexOf(dyn): int', (list: readonly unknown[], value: unknown) =>
      BigInt(list.findLastIndex((each) => isSame(each, value))),
    )
  registerSets(env)
  registerQuantity(env)
}

function sum(list: readonly (bigint | number)[]): bigint | number {
  if (list.every((each) => typeof each === 'bigint')) return list.reduce((total, each) => total + each, 0n)
  return list.reduce<number>((total, each) => total + Number(each), 0)
}

function extreme(list: readonly Ordered[], isBetter: (a: Ordered, b: Ordered) => boolean): Ordered {
  const [first, ...rest] = list
  if (first === undefined) throw new Error('min and max need a list that is not empty')
  return rest.reduce((best, each) => (isBetter(each, best) ? each : best), first)
}

/** Equality of values as CEL has it, over lists and maps. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime()
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((each, i) => isSame(each, b[i]))
  if (a instanceof Map && b instanceof Map)
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && isSame(value, b.get(key)))
  // Numbers of different kinds are equal when their values are.
  return typeof a !== typeof b && isNumber(a) && isNumber(b) && Number(a) === Number(b)
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

function registerSets(env: Environment): void {
  const has = (list: readonly unknown[], value: unknown): boolean => list.some((each) => isSame(each, value))
  const hasAll = (list: readonly unknown[], of: readonly unknown[]): boolean => of.every((each) => has(list, each))
  env
    .registerType('SetsNamespace', Namespace)
    .registerConstant('sets', 'SetsNamespace', new Namespace())
    .registerFunction('SetsNamespace.contains(list, list): bool', (_: Namespace, a: unknown[], b: unknown[]) =>
      hasAll(a, b),
    )
    .registerFunction('SetsNamespace.intersects(list, list): bool', (_: Namespace, a: unknown[], b: unknown[]) =>
      b.some((each) => has(a, each)),
    )
    .registerFunction(
      'SetsNamespace.equivalent(list, list): bool',
      (_: Namespace, a: unknown[], b: unknown[]) => hasAll(a, b) && hasAll(b, a),
    )
}

function registerQuantity(env: Environment): void {
  env
    .registerType('kubernetes.Quantity', Quantity)
    .registerFunction('isQuantity(string): bool', (text: string) => parseQuantity(text) !== undefined)
    .registerFunction('quantity(string): kubernetes.Quantity', (text: string) => {
      const found = parseQuantity(text)
      if (found === undefined) throw new Error(`quantities must match the regular expression: ${JSON.stringify(text)}`)
      return found
    })
    .registerFunction('kubernetes.Quantity.sign(): int', ({ nano }: Quantity) =>
      nano === 0n ? 0n : nano < 0n ? -1n : 1n,
    )
    .registerFunction('kubernetes.Quantity.isInteger(): bool', (of: Quantity) => of.isInteger)
    .registerFunction('kubernetes.Quantity.asInteger(): int', (of: Quantity) => of.integer)
    .registerFunction('kubernetes.Quantity.asApproximateFloat(): double', (of: Quantity) => of.approximate)
    .registerOperator('kubernetes.Quantity == kubernetes.Quantity', (a: Quantity, b: Quantity) => a.nano === b.nano)
  const between = (name: string, result: string, run: (a: Quantity, b: Quantity) => unknown): unknown =>
    env.registerFunction(`kubernetes.Quantity.${name}(kubernetes.Quantity): ${result}`, run)
  between('isGreaterThan', 'bool', (a, b) => a.nano > b.nano)
  between('isLessThan', 'bool', (a, b) => a.nano < b.nano)
  between('compareTo', 'int', (a, b) => (a.nano === b.nano ? 0n : a.nano < b.nano ? -1n : 1n))
  between('add', 'kubernetes.Quantity', (a, b) => new Quantity(a.nano + b.nano))
  between('sub', 'kubernetes.Quantity', (a, b) => new Quantity(a.nano - b.nano))
}
