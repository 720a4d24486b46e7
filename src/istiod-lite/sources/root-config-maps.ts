import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { type ObjectSource, objectKey } from '#shared/k8s'
import { isStatus, type KubeClient } from '#shared/kube-client'
import { type Closer, Reconciler } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'

/** Its name in every namespace, as Istio's: tunnels and waypoints mount it. */
export const ROOT_CONFIG_MAP = 'istio-ca-root-cert'

const ROOT_KEY = 'root-cert.pem'
const CONFIG_MAPS = { apiVersion: 'v1', kind: 'ConfigMap', resource: 'configmaps', namespaced: true }
const FIELD_MANAGER = 'istiod-lite'
/** Nobody runs there who would need it (istio-control-plane e). */
const LEFT_OUT: ReadonlySet<string> = new Set(['kube-public', 'kube-node-lease', 'local-path-storage'])
/** Namespaces that are written to at once. */
const CONCURRENCY = 4

export interface RootConfigMapParts {
  readonly objects: ObjectSource
  readonly client: Pick<KubeClient, 'apply'>
  readonly rootPem: string
  readonly clock: Clock
  readonly logger: Logger
}

/** Keeps the mesh's root certificate in a ConfigMap of every namespace: made with it, and put back when it is changed. */
export class RootConfigMaps implements Closer {
  readonly #parts: RootConfigMapParts
  /** Those that are not being deleted. */
  readonly #namespaces = new Set<string>()
  /** What the ConfigMap of a namespace says now. */
  readonly #held = new Map<string, string | undefined>()
  readonly #reconciler: Reconciler
  #unsubscribes: readonly (() => void)[] = []

  constructor(parts: RootConfigMapParts) {
    this.#parts = parts
    this.#reconciler = new Reconciler({
      clock: parts.clock,
      reconcile: (namespace) => this.#write(namespace),
      onFailure: (namespace, error) =>
        parts.logger.warn('the root certificate cannot be written', { namespace, reason: reasonOf(error) }),
      concurrency: CONCURRENCY,
      firstRetryMs: 200,
      maxRetryMs: 60_000,
    })
  }

  /** Call it once the objects are synced: before, everything would seem to be missing. */
  start(): void {
    const { objects } = this.#parts
    this.#unsubscribes = [
      objects.subscribe('ConfigMap', ({ type, object }) => {
        if (object.metadata.name !== ROOT_CONFIG_MAP) return
        const { namespace } = object.metadata
        if (type === 'deleted') this.#held.delete(namespace)
        else this.#held.set(namespace, object.data[ROOT_KEY])
        this.#reconciler.ask(namespace)
      }),
      objects.subscribe('Namespace', ({ type, object }) => {
        const name = objectKey(object)
        const isWanted = type !== 'deleted' && object.metadata.deletionTimestamp === undefined && !LEFT_OUT.has(name)
        if (isWanted) this.#namespaces.add(name)
        else this.#namespaces.delete(name)
        this.#reconciler.ask(name)
      }),
    ]
  }

  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe()
    await this.#reconciler.close()
  }

  async #write(namespace: string): Promise<void> {
    const { client, rootPem } = this.#parts
    if (!this.#namespaces.has(namespace) || this.#held.get(namespace) === rootPem) return
    const metadata = { name: ROOT_CONFIG_MAP, namespace, labels: { 'istio.io/config': 'true' } }
    try {
      await client.apply(
        CONFIG_MAPS,
        { metadata, data: { [ROOT_KEY]: rootPem } },
        { fieldManager: FIELD_MANAGER, force: true },
      )
    } catch (error) {
      // The namespace went away while we wrote; its own change tells what to do.
      if (!isStatus(error, 404)) throw error
    }
  }
}
