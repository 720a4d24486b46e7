import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { type ObjectSource, objectKey } from '#shared/k8s'
import { type ApiResource, isStatus, type KubeClient } from '#shared/kube-client'
import { type Closer, Reconciler } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'

/** Their names in every namespace, as Istio's: tunnels and waypoints mount them. */
export const ROOT_CONFIG_MAP = 'istio-ca-root-cert'
export const CRL_CONFIG_MAP = 'istio-ca-crl'

/** Every ConfigMap of the mesh's own settings has it. */
export const TRUST_LABEL = 'istio.io/config'

const KEYS: Readonly<Record<string, string>> = { [ROOT_CONFIG_MAP]: 'root-cert.pem', [CRL_CONFIG_MAP]: 'ca-crl.pem' }
const CONFIG_MAPS: ApiResource = { apiVersion: 'v1', kind: 'ConfigMap', resource: 'configmaps', namespaced: true }
const FIELD_MANAGER = 'istiod-lite'
/** Nobody runs there who would need them (istio-control-plane e). */
const LEFT_OUT: ReadonlySet<string> = new Set(['kube-public', 'kube-node-lease', 'local-path-storage'])
/** Namespaces that are written to at once. */
const CONCURRENCY = 4

/** What is to stand in the ConfigMaps. */
export interface TrustTexts {
  readonly rootsPem: string
  /** Undefined: there is no such ConfigMap. */
  readonly crlPem: string | undefined
}

export interface RootConfigMapParts {
  readonly objects: ObjectSource
  readonly client: Pick<KubeClient, 'apply' | 'delete'>
  /** Undefined as long as it is not known: nothing is written. */
  readonly texts: () => TrustTexts | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Keeps what the mesh trusts, and what its CA has taken back, in ConfigMaps of every namespace: made with it, and put back
 * when they are changed.
 */
export class RootConfigMaps implements Closer {
  readonly #parts: RootConfigMapParts
  /** Those that are not being deleted. */
  readonly #namespaces = new Set<string>()
  /** What the ConfigMaps say now, by `namespace/name`. */
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
        const key = KEYS[object.metadata.name]
        if (key === undefined) return
        if (type === 'deleted') this.#held.delete(objectKey(object))
        else this.#held.set(objectKey(object), object.data[key])
        this.#reconciler.ask(object.metadata.namespace)
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

  /** What is to stand in them is another text now, or this replica may write by now. */
  refresh(): void {
    for (const namespace of this.#namespaces) this.#reconciler.ask(namespace)
  }

  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe()
    await this.#reconciler.close()
  }

  async #write(namespace: string): Promise<void> {
    const texts = this.#parts.texts()
    if (texts === undefined || !this.#namespaces.has(namespace)) return
    try {
      await this.#keep(namespace, ROOT_CONFIG_MAP, texts.rootsPem)
      await this.#keep(namespace, CRL_CONFIG_MAP, texts.crlPem)
    } catch (error) {
      // The namespace went away while we wrote; its own change tells what to do.
      if (!isStatus(error, 404)) throw error
    }
  }

  async #keep(namespace: string, name: string, text: string | undefined): Promise<void> {
    const { client } = this.#parts
    const key = `${namespace}/${name}`
    if (text === undefined) {
      if (this.#held.has(key)) await client.delete(CONFIG_MAPS, { namespace, name })
      return
    }
    if (this.#held.get(key) === text) return
    const metadata = { name, namespace, labels: { [TRUST_LABEL]: 'true' } }
    const data = { [KEYS[name] ?? name]: text }
    await client.apply(CONFIG_MAPS, { metadata, data }, { fieldManager: FIELD_MANAGER, force: true })
  }
}
