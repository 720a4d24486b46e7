import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { type ApiDocument, type ApiResource, isStatus, type KubeClient } from '#shared/kube-client'
import { type Closer, Reconciler } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'
import type { Leadership } from '../leadership/index.ts'
import { VALIDATE_PATH } from './admission-server.ts'
import { type AdmissionMode, CHECKED_GROUP, CHECKED_RESOURCES } from './decide.ts'

/** Where the API server finds us. */
export type WebhookPlace =
  | { readonly kind: 'service'; readonly namespace: string; readonly name: string }
  /** Without a path. */
  | { readonly kind: 'url'; readonly url: string }

export interface WebhookRegistrationParts {
  readonly client: Pick<KubeClient, 'apply' | 'delete'>
  readonly leadership: Leadership
  /** `off`: the API server shall not ask us; what an earlier life has registered is taken away. */
  readonly wish:
    | { readonly kind: 'off' }
    | { readonly kind: 'on'; readonly mode: AdmissionMode; readonly place: WebhookPlace }
  /** PEM of those whose certificate we show, now. */
  readonly rootsPem: () => string
  readonly clock: Clock
  readonly logger: Logger
}

export const CONFIGURATION = 'ambit-validator'
const CONFIGURATIONS: ApiResource = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  resource: 'validatingwebhookconfigurations',
  namespaced: false,
}
const FIELD_MANAGER = 'istiod-lite'
/** A look-up of a few maps: who waits longer waits for a process that is gone. */
const TIMEOUT_SECONDS = 5
/** What somebody else has made of it is put right after so long. */
const REPEAT_MS = 300_000

/** Keeps the API server told where to ask and whose certificates to believe; written by the leader. */
export class WebhookRegistration implements Closer {
  readonly #parts: WebhookRegistrationParts
  readonly #reconciler: Reconciler
  #unsubscribe: (() => void) | undefined
  #repeat: Timer | undefined
  #isClosed = false

  constructor(parts: WebhookRegistrationParts) {
    this.#parts = parts
    this.#reconciler = new Reconciler({
      clock: parts.clock,
      reconcile: () => this.#write(),
      onFailure: (name, error) =>
        parts.logger.warn('the webhook cannot be registered', { name, reason: reasonOf(error) }),
      concurrency: 1,
      firstRetryMs: 500,
      maxRetryMs: 60_000,
    })
  }

  start(): void {
    this.#unsubscribe = this.#parts.leadership.subscribe((isLeader) => {
      if (isLeader) this.renew()
    })
  }

  /** Also to be called when the roots have changed. */
  renew(): void {
    this.#reconciler.ask(CONFIGURATION)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unsubscribe?.()
    this.#repeat?.cancel()
    await this.#reconciler.close()
  }

  async #write(): Promise<void> {
    const { client, leadership, wish, rootsPem, clock } = this.#parts
    if (!leadership.isLeader) return
    if (wish.kind === 'off') {
      await leadership.perform(() => this.#remove())
      return
    }
    const document = configuration(wish.mode, wish.place, rootsPem())
    await leadership.perform(() => client.apply(CONFIGURATIONS, document, { fieldManager: FIELD_MANAGER, force: true }))
    this.#repeat?.cancel()
    if (!this.#isClosed) this.#repeat = clock.setTimer(REPEAT_MS, () => this.renew())
  }

  /** Who may not even look for it has not registered it either. */
  async #remove(): Promise<void> {
    try {
      await this.#parts.client.delete(CONFIGURATIONS, { namespace: '', name: CONFIGURATION })
    } catch (error) {
      if (!isStatus(error, 403)) throw error
    }
  }
}

/**
 * When nobody answers, `strict` takes no policy that was not looked at, and `warn` takes every one. The root namespace is
 * checked, too: its policies hold for the whole mesh.
 */
function configuration(mode: AdmissionMode, place: WebhookPlace, rootsPem: string): ApiDocument {
  const caBundle = Buffer.from(rootsPem).toString('base64')
  const clientConfig =
    place.kind === 'url'
      ? { caBundle, url: `${place.url}${VALIDATE_PATH}` }
      : { caBundle, service: { namespace: place.namespace, name: place.name, path: VALIDATE_PATH, port: 443 } }
  return {
    metadata: { name: CONFIGURATION, labels: { app: 'istiod' } },
    webhooks: [
      {
        name: 'policies.ambit.dev',
        clientConfig,
        rules: [
          {
            operations: ['CREATE', 'UPDATE'],
            apiGroups: [CHECKED_GROUP],
            apiVersions: ['*'],
            resources: [...CHECKED_RESOURCES],
            scope: 'Namespaced',
          },
        ],
        failurePolicy: mode === 'strict' ? 'Fail' : 'Ignore',
        matchPolicy: 'Equivalent',
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        timeoutSeconds: TIMEOUT_SECONDS,
      },
    ],
  }
}
