import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import { isStatus } from './api-error.ts'
import type { KubeClient, ListPage } from './types.ts'

/** The namespace whose uid stands for the cluster. */
const CLUSTER_NAMESPACE = 'kube-system'
const NAMESPACES = { apiVersion: 'v1', kind: 'Namespace', resource: 'namespaces', namespaced: false }

/**
 * Whether the server that answers now still tells the history that is being followed. A cluster that was made anew, or
 * restored from a backup, may go on from a revision that it has counted before: a watch from there would miss what
 * happened in between without a word.
 */
export class ServerHistory {
  readonly #client: Pick<KubeClient, 'listPage'>
  readonly #logger: Logger
  readonly #signal: AbortSignal
  #epoch = 0
  #uid: string | undefined
  #newest = 0
  #current: Promise<unknown> = Promise.resolve()
  /** A question that has not been asked yet. */
  #next: Promise<number | undefined> | undefined

  constructor(client: Pick<KubeClient, 'listPage'>, logger: Logger, signal: AbortSignal) {
    this.#client = client
    this.#logger = logger
    this.#signal = signal
  }

  /** Grows when the history became another one. */
  get epoch(): number {
    return this.#epoch
  }

  /** A revision that the server has counted to. Kubernetes compares them as numbers (since 1.35 by contract). */
  seen(resourceVersion: string): void {
    this.#newest = Math.max(this.#newest, revisionNumber(resourceVersion) ?? 0)
  }

  /**
   * Asks the server. Calls at the same time are one question, but none is answered by what was asked before it.
   * @returns the epoch from now on; undefined when we may not know
   * @throws as `KubeClient.listPage`
   */
  check(): Promise<number | undefined> {
    this.#next ??= this.#current
      .catch(() => {})
      .then(() => {
        this.#next = undefined
        const asked = this.#ask()
        this.#current = asked
        return asked
      })
    return this.#next
  }

  async #ask(): Promise<number | undefined> {
    const newestBefore = this.#newest
    const page = await this.#clusterNamespace()
    if (page === undefined) return undefined
    const [namespace] = page.items
    const metadata = isRecord(namespace) && isRecord(namespace.metadata) ? namespace.metadata : {}
    const uid = typeof metadata.uid === 'string' ? metadata.uid : undefined
    const revision = revisionNumber(page.resourceVersion) ?? newestBefore
    const isFirst = this.#epoch === 0
    if (uid !== this.#uid || revision < newestBefore) {
      this.#epoch++
      this.#newest = revision
      if (!isFirst)
        this.#logger.warn('the API server tells another history than before; everything is read anew', {
          before: newestBefore,
          now: revision,
        })
    }
    this.#uid = uid
    return this.#epoch
  }

  async #clusterNamespace(): Promise<ListPage | undefined> {
    const options = { fieldSelector: `metadata.name=${CLUSTER_NAMESPACE}` }
    try {
      return await this.#client.listPage(NAMESPACES, options, { limit: 1, continueToken: '', signal: this.#signal })
    } catch (error) {
      if (isStatus(error, 403)) return undefined
      // Every cluster has namespaces: whoever says otherwise is no API server yet, or a proxy before it.
      if (isStatus(error, 404)) throw new MeshError('KUBE_API_UNREACHABLE', error.message, { cause: error })
      throw error
    }
  }
}

/** Undefined for what is no number: such revisions cannot be compared. */
function revisionNumber(resourceVersion: string): number | undefined {
  return /^\d{1,15}$/.test(resourceVersion) ? Number(resourceVersion) : undefined
}
