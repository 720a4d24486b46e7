/** Connections of this node's pods to each endpoint, for least-request balancing. */
export class EndpointLoad {
  readonly #connections = new Map<string, number>()

  readonly of = (uid: string): number => this.#connections.get(uid) ?? 0

  enter(uid: string): void {
    this.#connections.set(uid, this.of(uid) + 1)
  }

  leave(uid: string): void {
    const left = this.of(uid) - 1
    if (left > 0) this.#connections.set(uid, left)
    else this.#connections.delete(uid)
  }
}
