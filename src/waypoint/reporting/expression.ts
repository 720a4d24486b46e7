/** What an expression may come to; undefined = there is no such thing in this exchange. */
export type Value = string | number | boolean | undefined

/** An attribute by its name, `request.headers` with the header's name; undefined = nobody knows that attribute. */
export type Resolve<T> = (attribute: string, key: string | undefined) => ((facts: T) => Value) | undefined

export type Expression<T> = (facts: T) => Value

/** What stands in an object and is not in our subset of CEL. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
}

const MAX_CHARS = 4096
const MAX_DEPTH = 32

/**
 * The part of CEL that Telemetry objects are written in: literals, attributes, comparisons, `&&`, `||`, `!`, `? :`,
 * `has(…)`, `string(…)`, and `startsWith`, `endsWith`, `contains` of texts. An attribute that an exchange has not got equals
 * nothing, where CEL would fail.
 *
 * @throws ExpressionError with what was not understood
 */
export function compileExpression<T>(text: string, resolve: Resolve<T>): Expression<T> {
  if (text.length > MAX_CHARS) throw new ExpressionError(`longer than ${MAX_CHARS} characters`)
  const parser = new Parser(tokens(text), resolve)
  return parser.whole()
}

type Token =
  | { readonly kind: 'text' | 'name' | 'sign'; readonly value: string }
  | { readonly kind: 'number'; readonly value: number }

const TOKEN =
  /\s*(?:(?<number>\d+(?:\.\d+)?)|(?<name>[A-Za-z_]\w*)|(?<quoted>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<sign>&&|\|\||[=!<>]=|[-!<>?:.,()[\]]))/y

function tokens(text: string): readonly Token[] {
  const found: Token[] = []
  TOKEN.lastIndex = 0
  const end = text.trimEnd().length
  for (let at = 0; at < end; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at
    const groups = TOKEN.exec(text)?.groups
    if (groups === undefined) throw new ExpressionError(`not understood at ${shown(text.slice(at).trimStart())}`)
    const { number, name, quoted, sign } = groups
    if (number !== undefined) found.push({ kind: 'number', value: Number(number) })
    else if (name !== undefined) found.push({ kind: 'name', value: name })
    else if (quoted !== undefined) found.push({ kind: 'text', value: unquote(quoted) })
    else found.push({ kind: 'sign', value: sign ?? '' })
  }
  return found
}

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(.)/g, (whole, char: string) => {
    if (char === 'n') return '\n'
    if (char === 't') return '\t'
    if (/[\\"']/.test(char)) return char
    throw new ExpressionError(`escape ${shown(whole)}`)
  })
}

const METHODS: Readonly<Record<string, (text: string, part: string) => boolean>> = {
  startsWith: (text, part) => text.startsWith(part),
  endsWith: (text, part) => text.endsWith(part),
  contains: (text, part) => text.includes(part),
}

const COMPARISONS: Readonly<Record<string, (a: Value, b: Value) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => typeof a === typeof b && a !== undefined && b !== undefined && a < b,
  '<=': (a, b) => typeof a === typeof b && a !== undefined && b !== undefined && a <= b,
  '>': (a, b) => typeof a === typeof b && a !== undefined && b !== undefined && a > b,
  '>=': (a, b) => typeof a === typeof b && a !== undefined && b !== undefined && a >= b,
}

class Parser<T> {
  readonly #tokens: readonly Token[]
  readonly #resolve: Resolve<T>
  #at = 0
  #depth = 0

  constructor(all: readonly Token[], resolve: Resolve<T>) {
    this.#tokens = all
    this.#resolve = resolve
  }

  whole(): Expression<T> {
    const expression = this.#choice()
    const rest = this.#tokens[this.#at]
    if (rest !== undefined) throw new ExpressionError(`${shown(String(rest.value))} behind its end`)
    return expression
  }

  #choice(): Expression<T> {
    if (++this.#depth > MAX_DEPTH) throw new ExpressionError(`deeper than ${MAX_DEPTH}`)
    const condition = this.#either()
    let expression = condition
    if (this.#takes('?')) {
      const yes = this.#choice()
      this.#expect(':')
      const no = this.#choice()
      expression = (facts) => (condition(facts) === true ? yes(facts) : no(facts))
    }
    this.#depth--
    return expression
  }

  #either(): Expression<T> {
    const parts = [this.#both()]
    while (this.#takes('||')) parts.push(this.#both())
    const [only] = parts
    return parts.length === 1 && only !== undefined ? only : (facts) => parts.some((part) => part(facts) === true)
  }

  #both(): Expression<T> {
    const parts = [this.#comparison()]
    while (this.#takes('&&')) parts.push(this.#comparison())
    const [only] = parts
    return parts.length === 1 && only !== undefined ? only : (facts) => parts.every((part) => part(facts) === true)
  }

  #comparison(): Expression<T> {
    const left = this.#unary()
    const sign = this.#tokens[this.#at]
    const compare =
      sign?.kind === 'sign' && Object.hasOwn(COMPARISONS, sign.value) ? COMPARISONS[sign.value] : undefined
    if (compare === undefined) return left
    this.#at++
    const right = this.#unary()
    return (facts) => compare(left(facts), right(facts))
  }

  #unary(): Expression<T> {
    let negations = 0
    while (this.#takes('!')) negations++
    if (negations > 0) {
      const operand = this.#operand()
      return (facts) => (negations % 2 === 1) !== (operand(facts) === true)
    }
    if (!this.#takes('-')) return this.#operand()
    const token = this.#next()
    if (token.kind !== 'number') throw new ExpressionError('arithmetic')
    const { value } = token
    return () => -value
  }

  #operand(): Expression<T> {
    const token = this.#next()
    if (token.kind === 'sign') {
      if (token.value !== '(') throw new ExpressionError(`${shown(token.value)} where a value should be`)
      const inner = this.#choice()
      this.#expect(')')
      return this.#methods(inner)
    }
    if (token.kind !== 'name') {
      const { value } = token
      return this.#methods(() => value)
    }
    if (token.value === 'true' || token.value === 'false') {
      const value = token.value === 'true'
      return () => value
    }
    return this.#takes('(') ? this.#call(token.value) : this.#methods(this.#attribute(token.value))
  }

  #call(name: string): Expression<T> {
    const argument = this.#choice()
    this.#expect(')')
    if (name === 'has') return (facts) => argument(facts) !== undefined
    if (name !== 'string') throw new ExpressionError(`function ${shown(name)}`)
    return this.#methods((facts) => {
      const value = argument(facts)
      return value === undefined ? undefined : String(value)
    })
  }

  /** The longest name that stands here; a method's name behind its last dot is not part of it. */
  #attribute(first: string): Expression<T> {
    let name = first
    while (this.#peek('.')) {
      const [part, then] = [this.#tokens[this.#at + 1], this.#tokens[this.#at + 2]]
      if (part?.kind !== 'name') throw new ExpressionError(`${shown(name)} with nothing behind its dot`)
      if (then?.kind === 'sign' && then.value === '(') break
      name += `.${part.value}`
      this.#at += 2
    }
    let key: string | undefined
    if (this.#takes('[')) {
      const token = this.#next()
      if (token.kind !== 'text') throw new ExpressionError(`${shown(name)}[…] with something else than a text`)
      key = token.value
      this.#expect(']')
    }
    const value = this.#resolve(name, key)
    if (value === undefined)
      throw new ExpressionError(`attribute ${shown(key === undefined ? name : `${name}['${key}']`)}`)
    return value
  }

  #methods(of: Expression<T>): Expression<T> {
    let expression = of
    while (this.#takes('.')) {
      const name = this.#next()
      const method = name.kind === 'name' && Object.hasOwn(METHODS, name.value) ? METHODS[name.value] : undefined
      if (method === undefined) throw new ExpressionError(`method ${shown(String(name.value))}`)
      this.#expect('(')
      const [subject, argument] = [expression, this.#choice()]
      this.#expect(')')
      expression = (facts) => {
        const [text, part] = [subject(facts), argument(facts)]
        return typeof text === 'string' && typeof part === 'string' && method(text, part)
      }
    }
    return expression
  }

  #next(): Token {
    const token = this.#tokens[this.#at++]
    if (token === undefined) throw new ExpressionError('it ends too early')
    return token
  }

  #peek(sign: string): boolean {
    const token = this.#tokens[this.#at]
    return token?.kind === 'sign' && token.value === sign
  }

  #takes(sign: string): boolean {
    if (!this.#peek(sign)) return false
    this.#at++
    return true
  }

  #expect(sign: string): void {
    if (!this.#takes(sign)) throw new ExpressionError(`no ${sign} where one should be`)
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64))
}
