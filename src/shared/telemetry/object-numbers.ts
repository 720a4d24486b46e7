/**
 * Tells objects apart by a number each; 0 is no object. Workloads and services are replaced when they change, so that
 * their numbers say as much as all their labels.
 */
export class ObjectNumbers {
  readonly #numbers = new WeakMap<object, number>()
  #last = 0

  of(object: object | undefined): number {
    if (object === undefined) return 0
    const known = this.#numbers.get(object)
    if (known !== undefined) return known
    this.#numbers.set(object, ++this.#last)
    return this.#last
  }
}
