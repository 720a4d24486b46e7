import type { Fields } from '../codec/index.ts'

type Line = readonly [name: string, value: string]

/** The few fields of an answer of our own, to be changed like those of an endpoint. */
export class ReplyFields implements Fields {
  #lines: readonly Line[]

  constructor(lines: readonly Line[]) {
    this.#lines = lines
  }

  get lines(): readonly Line[] {
    return this.#lines
  }

  get(name: string): string | undefined {
    return this.#lines.find(([each]) => each === name)?.[1]
  }

  values(name: string): readonly string[] {
    return this.#lines.flatMap(([each, value]) => (each === name ? [value] : []))
  }

  has(name: string): boolean {
    return this.#lines.some(([each]) => each === name)
  }

  set(name: string, value: string): void {
    this.remove(name)
    this.add(name, value)
  }

  add(name: string, value: string): void {
    this.#lines = [...this.#lines, [name, value]]
  }

  remove(name: string): void {
    this.#lines = this.#lines.filter(([each]) => each !== name)
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (const [name, value] of this.#lines) visit(name, value)
  }

  copy(): ReplyFields {
    return new ReplyFields(this.#lines)
  }
}
