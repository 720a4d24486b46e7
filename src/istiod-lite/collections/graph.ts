import type { NodeStatistics } from './collection.ts'

/** Something that recomputes: its place in the order says what it may read. */
export interface GraphNode {
  readonly name: string
  /** Recomputes what is dirty, if anything. */
  run(): void
  /** Tells outside subscribers what has changed since they were told last. */
  deliver(): void
  statistics(): NodeStatistics
}

export interface GraphSettings {
  /** Called once when there is something to settle; must call `run` later, in its own turn of the loop. */
  readonly schedule: (run: () => void) => void
  /** A derivation threw: a bug. Its last result stays and the others go on. */
  readonly onFailure: (node: string, key: string, error: unknown) => void
}

/**
 * All collections of one program. Nodes run in the order in which they were made, and a node may read only older ones,
 * so that one pass settles everything and no derivation ever sees half of a change.
 */
export class Graph {
  readonly #settings: GraphSettings
  readonly #nodes: GraphNode[] = []
  #isScheduled = false
  #isSettling = false

  constructor(settings: Partial<GraphSettings> = {}) {
    this.#settings = { schedule: queueMicrotask, onFailure: rethrow, ...settings }
  }

  /** @returns the node's place in the order */
  add(node: GraphNode): number {
    return this.#nodes.push(node) - 1
  }

  /** Something is dirty; it will be settled soon. */
  changed(): void {
    if (this.#isScheduled || this.#isSettling) return
    this.#isScheduled = true
    this.#settings.schedule(() => this.settle())
  }

  failed(node: string, key: string, error: unknown): void {
    this.#settings.onFailure(node, key, error)
  }

  /** Brings every node up to date, then tells the subscribers. Their own writes are settled in the next round. */
  settle(): void {
    if (this.#isSettling) return
    this.#isSettling = true
    this.#isScheduled = false
    try {
      for (const node of this.#nodes) node.run()
    } finally {
      this.#isSettling = false
    }
    for (const node of this.#nodes) node.deliver()
  }

  statistics(): readonly NodeStatistics[] {
    return this.#nodes.map((node) => node.statistics())
  }
}

function rethrow(node: string, key: string, error: unknown): never {
  throw new Error(`${node} failed for ${JSON.stringify(key)}`, { cause: error })
}
