import type { Clock } from '#shared/clock'
import type { ApiObjectId, KubeConnection } from '#shared/kube-client'
import { discover, type ServedResource } from '../cluster/index.ts'
import type { Terminal } from '../print/index.ts'

export interface SessionParts {
  readonly connection: KubeConnection
  /** Where namespaced objects are looked for unless they say otherwise. */
  readonly namespace: string
  readonly terminal: Terminal
  readonly clock: Clock
}

/** One command's talk with the API: what kinds there are is asked once. */
export class Session {
  readonly connection: KubeConnection
  readonly namespace: string
  readonly terminal: Terminal
  readonly clock: Clock
  #resources: Promise<readonly ServedResource[]> | undefined

  constructor({ connection, namespace, terminal, clock }: SessionParts) {
    this.connection = connection
    this.namespace = namespace
    this.terminal = terminal
    this.clock = clock
  }

  /** @param isFresh ask again: a kind may have come meanwhile */
  resources(isFresh = false): Promise<readonly ServedResource[]> {
    if (isFresh || this.#resources === undefined) this.#resources = discover(this.connection)
    return this.#resources
  }

  idOf({ namespaced }: ServedResource, name: string, namespace: string = this.namespace): ApiObjectId {
    return { namespace: namespaced ? namespace : '', name }
  }

  say(line: string): void {
    this.terminal.stdout.write(`${line}\n`)
  }

  /** Something went wrong, and the rest goes on. */
  fail(text: string): void {
    this.terminal.stderr.write(`ambit: ${text}\n`)
    this.terminal.exitCode = 1
  }
}
