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
  #check: Promise<number> | undefined

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
   * Asks the server; calls at the same time are one question.
   * @returns the epoch from now on
   * @throws as `KubeClient.listPage`
   */
  check(): Promise<number> {
    this.#check ??= this.#ask().finally(() => {
      this.#check = undefined
    })
    return this.#check
  }

  async #ask(): Promise<number> {
    const newestBefore = this.#newest
    const page = await this.#clusterNamespace()
    // Not allowed to know: what cannot be compared is read anew.
    if (page === undefined) return ++this.#epoch
    const [namespace] = page.items
    const metadata = isRecord(namespace) && isRecord(namespace.metadata) ? namespace.metadata : {}
    const uid = typeof metadata.uid === 'string' ? metadata.uid : undefined
    const revision = revisionNumber(page.resourceVersion) ?? newestBefore
    const isOther = this.#uid !== undefined && uid !== undefined && uid !== this.#uid
    if (isOther || revision < newestBefore) {
      this.#epoch++
      this.#newest = revision
      this.#logger.warn('the API server tells another history than before; everything is read anew', {
        before: newestBefore,
        now: revision,
      })
    }
    this.#uid = uid ?? this.#uid
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
