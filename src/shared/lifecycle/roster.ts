/** What can be in a roster; in one at a time. */
export interface Seated {
  /** Where it is, kept by the roster; -1 = nowhere. */
  seat: number
}

/**
 * A set of objects that come and go by the thousand a second, in no order.
 *
 * A `Set` would do the same and cost the collector more: it makes itself anew each time its room is used up, and the
 * table that it leaves behind goes on pointing to what was in it and to the next table. Once one such table is in the
 * old space, it keeps all that come after it, and what was in them, until the whole heap is collected.
 */
export class Roster<T extends Seated> {
  readonly #members: T[] = []

  get size(): number {
    return this.#members.length
  }

  has(member: T): boolean {
    return member.seat >= 0 && this.#members[member.seat] === member
  }

  add(member: T): void {
    if (this.has(member)) return
    member.seat = this.#members.length
    this.#members.push(member)
  }

  /** False when it was not here. */
  remove(member: T): boolean {
    if (!this.has(member)) return false
    const last = this.#members.pop()
    if (last !== undefined && last !== member) {
      last.seat = member.seat
      this.#members[last.seat] = last
    }
    member.seat = -1
    return true
  }

  /** Who is here now; a copy, so that members may leave while it is walked. */
  members(): T[] {
    return [...this.#members]
  }
}
