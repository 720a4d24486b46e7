import { randomUUID } from 'node:crypto'
import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { ApiError } from '../api-error.ts'
import type {
  AdmissionHook,
  AdmissionOutcome,
  AdmissionRequest,
  ApiObject,
  ApplyPatch,
  ObjectAccess,
} from '../types.ts'
import { addressOf } from './address.ts'
import { callWebhook } from './call.ts'
import { versionFor } from './match.ts'
import { readVerdict, reviewOf, type Verdict } from './review.ts'
import type { Webhook, WebhookConfiguration } from './types.ts'

const WEBHOOK_GROUP = 'admissionregistration.k8s.io'

export interface WebhooksSettings {
  readonly access: ObjectAccess
  readonly clock: Clock
  readonly applyPatch: ApplyPatch
}

const MUTATING = 'mutatingwebhookconfigurations'
const VALIDATING = 'validatingwebhookconfigurations'
/** A webhook may take up to 30 s; several are asked one after the other, and all of them within this. */
const ALL_TIMEOUT_MS = 120_000
const REFUSALS: ReadonlySet<string> = new Set(['BadRequest', 'Conflict', 'Forbidden', 'Invalid', 'TooManyRequests'])

/** A webhook that wants to be asked, with the version that it knows. */
interface Interested {
  readonly webhook: Webhook
  readonly version: string
}

/**
 * Asks the webhooks of the stored configurations, mutating ones first, by the names of configurations and then in their
 * order. Each sees what the one before made. Nobody can lock himself out: the configurations themselves pass unasked.
 */
export class Webhooks implements AdmissionHook {
  readonly name: string = 'webhooks'
  readonly timeoutMs: number = ALL_TIMEOUT_MS
  readonly #settings: WebhooksSettings

  constructor(settings: WebhooksSettings) {
    this.#settings = settings
  }

  handles(request: AdmissionRequest): boolean {
    return request.definition.group !== WEBHOOK_GROUP && this.#interested(request).length > 0
  }

  /** @throws ApiError when one refuses, or cannot be asked and must be */
  async admit(request: AdmissionRequest): Promise<AdmissionOutcome> {
    let { object } = request
    const warnings: string[] = []
    for (const each of this.#interested(request)) {
      const { webhook } = each
      const verdict = await this.#ask(each, { ...request, object })
      if (verdict === undefined) continue
      warnings.push(...verdict.warnings)
      if (verdict.kind === 'denied') throw denied(webhook, verdict)
      if (request.stage === 'mutate' && verdict.patch !== undefined)
        object = this.#patched(each, request, object, verdict)
    }
    return { kind: 'admitted', object, warnings }
  }

  #interested(request: AdmissionRequest): readonly Interested[] {
    const { access } = this.#settings
    const { definition, context, stage, operation } = request
    const namespace = definition.isNamespaced
      ? access.get({ group: '', resource: 'namespaces', namespace: '', name: context.namespace })
      : undefined
    // Deletions have no stage for changes, so there both kinds are asked in the one that they have.
    const mutating = stage === 'mutate' || operation === 'DELETE' ? [MUTATING] : []
    const validating = stage === 'validate' ? [VALIDATING] : []
    const configurations = [...mutating, ...validating].flatMap(
      (resource) => access.list({ group: WEBHOOK_GROUP, resource, namespace: '' }).items,
    )
    return (configurations as readonly WebhookConfiguration[]).flatMap(({ webhooks = [] }) =>
      webhooks.flatMap((webhook) => {
        const version = versionFor(webhook, request, namespace)
        return version === undefined ? [] : [{ webhook, version }]
      }),
    )
  }

  /** @returns undefined when it could not be asked and need not be @throws ApiError when it must be */
  async #ask(
    { webhook, version }: Interested,
    request: AdmissionRequest,
  ): Promise<Exclude<Verdict, { kind: 'malformed' }> | undefined> {
    const { access, clock } = this.#settings
    const { clientConfig, timeoutSeconds } = webhook
    const uid = randomUUID()
    try {
      const address = addressOf(clientConfig, access)
      const { caBundle } = clientConfig
      const call = { clock, address, caBundle, timeoutMs: timeoutSeconds * 1000 }
      const verdict = readVerdict(await callWebhook(call, reviewOf(request, version, uid)), uid)
      if (verdict.kind === 'malformed') throw new Error(verdict.problem)
      return verdict
    } catch (error) {
      if (webhook.failurePolicy === 'Ignore') return undefined
      throw failed(webhook, reasonOf(error))
    }
  }

  #patched(
    { webhook, version: name }: Interested,
    { definition }: AdmissionRequest,
    object: ApiObject,
    { patch }: Extract<Verdict, { kind: 'allowed' }>,
  ): ApiObject {
    const version = definition.versions.find((each) => each.name === name)
    if (version === undefined) throw failed(webhook, `there is no version ${name}`)
    const outcome = this.#settings.applyPatch('json', object, patch, definition, version)
    if (outcome.kind !== 'patched') throw failed(webhook, outcome.problem)
    const { metadata } = outcome.object
    if (metadata?.name !== object.metadata.name || metadata.namespace !== object.metadata.namespace)
      throw failed(webhook, 'it changed the name or namespace of the object')
    return { ...outcome.object, apiVersion: object.apiVersion, kind: object.kind }
  }
}

function failed({ name }: Webhook, problem: string): ApiError {
  return new ApiError('InternalError', `failed calling webhook ${JSON.stringify(name)}: ${problem}`)
}

function denied({ name }: Webhook, { message, reason }: Extract<Verdict, { kind: 'denied' }>): ApiError {
  const text = `admission webhook ${JSON.stringify(name)} denied the request: ${message}`
  return new ApiError(REFUSALS.has(reason) ? (reason as 'Forbidden') : 'Forbidden', text)
}
