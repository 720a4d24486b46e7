import { fieldValue } from './field-value.ts'
import type { Fields } from './types.ts'

/** Fields as a list of texts: what we write ourselves, copies, and what came over HTTP/2. */
export class FieldList implements Fields {
  readonly #lines: (readonly [name: string, value: string])[]

  /** @param lines names in lower case; taken over, not copied */
  constructor(lines: (readonly [name: string, value: string])[] = []) {
    this.#lines = lines
  }

  get(name: string): string | undefined {
    for (const line of this.#lines) if (line[0] === name) return line[1]
    return undefined
  }

  values(name: string): readonly string[] {
    return this.#lines.flatMap((line) => (line[0] === name ? [line[1]] : []))
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  set(name: string, value: string): void {
    this.remove(name)
    this.add(name, value)
  }

  add(name: string, value: string): void {
    this.#lines.push([name, fieldValue(value)])
  }

  remove(name: string): void {
    for (let at = this.#lines.length - 1; at >= 0; at--) if (this.#lines[at]?.[0] === name) this.#lines.splice(at, 1)
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (const [name, value] of this.#lines) visit(name, value)
  }

  copy(): FieldList {
    return new FieldList([...this.#lines])
  }
}
