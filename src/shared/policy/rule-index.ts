import type { CompiledRule } from './compile.ts'
import { bestKeys, type KeyPart, keyText, leadingBits, type RuleKey } from './rule-key.ts'
import { ruleMatches } from './rule-match.ts'
import type { Subject } from './subject.ts'

/**
 * Rules of one action, filed under the facts that they need, so that a connection meets only those that could match it
 * (bench/micro/policy.ts). Many rules under one fact are an index themselves, by their other facts. Adding and removing
 * cost the policy's own rules, amortised.
 */
export class RuleIndex {
  readonly #used: ReadonlySet<KeyPart>
  readonly #filed = new Map<string, CompiledRule | RuleIndex | Bucket>()
  /** How many keys there are of each length in use: a connection is looked up once for each. */
  readonly #lengths = new Map<KeyPart, Map<number, number>>()
  readonly #unfiled = new Bucket()
  #size = 0

  /** @param used parts by which all of its rules are filed already */
  constructor(used: ReadonlySet<KeyPart> = new Set()) {
    this.#used = used
  }

  /** Rules in it; a rule that was added twice counts twice. */
  get size(): number {
    return this.#size
  }

  /** A rule that is not in it. */
  add(rule: CompiledRule): void {
    this.#size++
    const keys = bestKeys(rule.source, this.#used)
    if (keys === undefined) this.#unfiled.add(rule)
    else for (const key of keys) this.#file(key, rule)
  }

  /** A rule that is in it. */
  remove(rule: CompiledRule): void {
    this.#size--
    const keys = bestKeys(rule.source, this.#used)
    if (keys === undefined) this.#unfiled.remove(rule)
    else for (const key of keys) this.#take(key, rule)
  }

  /** The matching rule that comes first by policy key and place, or `best` when that one comes before it. */
  firstMatch(subject: Subject, best?: CompiledRule): CompiledRule | undefined {
    let first = this.#unfiled.firstMatch(subject, best)
    if (this.#filed.size === 0) return first
    const ask = (part: KeyPart, length: number | undefined, value: string): void => {
      const found = this.#filed.get(keyText(part, length, value))
      if (found === undefined) return
      first = isMany(found) ? found.firstMatch(subject, first) : firstOf(found, subject, first)
    }
    const { principal, account, namespace } = subject
    if (principal === undefined) ask('anonymous', undefined, '')
    else {
      ask('principal', undefined, principal)
      ask('identified', undefined, '')
      for (const length of this.#lengthsOf('principal-start')) ask('principal-start', length, start(principal, length))
      for (const length of this.#lengthsOf('principal-end')) ask('principal-end', length, end(principal, length))
    }
    if (account !== undefined) ask('account', undefined, account)
    ask('namespace', undefined, namespace)
    for (const length of this.#lengthsOf('namespace-start')) ask('namespace-start', length, start(namespace, length))
    for (const length of this.#lengthsOf('namespace-end')) ask('namespace-end', length, end(namespace, length))
    ask('port', undefined, String(subject.destinationPort))
    for (const length of this.#lengthsOf(subject.sourcePart))
      ask(subject.sourcePart, length, leadingBits(subject.sourceBytes, length))
    for (const length of this.#lengthsOf(subject.destinationPart))
      ask(subject.destinationPart, length, leadingBits(subject.destinationBytes, length))
    return first
  }

  #lengthsOf(part: KeyPart): Iterable<number> {
    return this.#lengths.get(part)?.keys() ?? NONE
  }

  #file({ part, length, value }: RuleKey, rule: CompiledRule): void {
    const text = keyText(part, length, value)
    const there = this.#filed.get(text)
    if (there === undefined) {
      this.#filed.set(text, rule)
      if (length !== undefined) this.#count(part, length, 1)
    } else if (!isMany(there)) this.#filed.set(text, new Bucket([there, rule]))
    else {
      there.add(rule)
      if (there instanceof Bucket && there.size > MAX_BUCKET) this.#filed.set(text, this.#parted(part, there))
    }
  }

  #take({ part, length, value }: RuleKey, rule: CompiledRule): void {
    const text = keyText(part, length, value)
    const there = this.#filed.get(text)
    if (isMany(there)) {
      there.remove(rule)
      if (there.size > 0) return
    }
    this.#filed.delete(text)
    if (length !== undefined) this.#count(part, length, -1)
  }

  #parted(part: KeyPart, bucket: Bucket): RuleIndex {
    const index = new RuleIndex(new Set([...this.#used, part]))
    for (const rule of bucket.rules()) index.add(rule)
    return index
  }

  #count(part: KeyPart, length: number, more: 1 | -1): void {
    const ofPart = this.#lengths.get(part) ?? new Map<number, number>()
    this.#lengths.set(part, ofPart)
    const count = (ofPart.get(length) ?? 0) + more
    if (count === 0) ofPart.delete(length)
    else ofPart.set(length, count)
  }
}

const NONE: readonly number[] = []

/** So many rules under one fact are asked in turn; more are filed by their other facts. */
const MAX_BUCKET = 64

function isMany(filed: CompiledRule | RuleIndex | Bucket | undefined): filed is RuleIndex | Bucket {
  return filed instanceof Bucket || filed instanceof RuleIndex
}

/** Shorter than asked when the text is: no key of that length equals it then. */
function start(text: string, length: number): string {
  return text.slice(0, length)
}

function end(text: string, length: number): string {
  return length === 0 ? '' : text.slice(-length)
}

/**
 * Rules in order of policy key and place. Changes only take note; the list is put in order when it is read next. Plain
 * arrays, since most lists are short.
 */
class Bucket {
  #rules: CompiledRule[]
  #removed: Set<CompiledRule> | undefined
  #isSorted = false

  constructor(rules: CompiledRule[] = []) {
    this.#rules = rules
  }

  get size(): number {
    return this.#rules.length - (this.#removed?.size ?? 0)
  }

  /** A rule that is not in it. */
  add(rule: CompiledRule): void {
    if (this.#removed?.delete(rule)) return // not taken out yet
    this.#isSorted = false
    this.#rules.push(rule)
  }

  /** A rule that is in it. */
  remove(rule: CompiledRule): void {
    this.#removed ??= new Set()
    this.#removed.add(rule)
    // A list that nobody reads must not grow with each change of its policies.
    if (this.#removed.size > MAX_BUCKET && this.#removed.size > this.#rules.length / 2) this.#takeOut()
  }

  firstMatch(subject: Subject, best: CompiledRule | undefined): CompiledRule | undefined {
    for (const rule of this.rules()) {
      if (best !== undefined && inOrder(best, rule) <= 0) return best
      if (ruleMatches(rule.source, subject)) return rule
    }
    return best
  }

  /** By policy key and place. */
  rules(): readonly CompiledRule[] {
    this.#takeOut()
    if (!this.#isSorted) this.#rules.sort(inOrder)
    this.#isSorted = true
    return this.#rules
  }

  #takeOut(): void {
    const removed = this.#removed
    if (removed === undefined) return
    this.#rules = this.#rules.filter((rule) => !removed.has(rule))
    this.#removed = undefined
  }
}

function firstOf(rule: CompiledRule, subject: Subject, best: CompiledRule | undefined): CompiledRule | undefined {
  if (best !== undefined && inOrder(best, rule) <= 0) return best
  return ruleMatches(rule.source, subject) ? rule : best
}

function inOrder(a: CompiledRule, b: CompiledRule): number {
  if (a.policy.key !== b.policy.key) return a.policy.key < b.policy.key ? -1 : 1
  return a.index - b.index
}
