import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Timer } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import type { ApiServer, ObjectAccess } from '../apiserver/index.ts'
import { replaceFile } from '../host/index.ts'
import type { ProgramPod } from './mesh-accounts.ts'

/** Who a token speaks for, and to whom. */
export interface TokenRequest {
  readonly namespace: string
  readonly serviceAccount: string
  /** The pod that it dies with. */
  readonly pod?: Pick<ProgramPod, 'name' | 'uid' | 'node'>
  /** Undefined: the API itself. */
  readonly audience?: string
  /** Undefined: an hour. */
  readonly lifeSeconds?: number
}

export interface AccountTokensSettings {
  readonly access: ObjectAccess
  readonly issuer: Pick<ApiServer['tokens'], 'issue'>
  readonly clock: Clock
  readonly logger: Logger
  readonly dir: string
}

/** Kubernetes renews a projected token at 80 % of its life; an hour is its default for such. */
const LIFE_SECONDS = 3_600
const RENEW_PART = 0.8
const RETRY_MS = 5_000
const API_AUDIENCE = 'https://kubernetes.default.svc.cluster.local'

/** Service-account tokens in files, kept fresh as a kubelet does. Readers see a whole token at any time. */
export class AccountTokens {
  readonly #settings: AccountTokensSettings
  readonly #timers = new Map<string, Timer>()
  #isClosed = false

  constructor(settings: AccountTokensSettings) {
    this.#settings = settings
    mkdirSync(settings.dir, { recursive: true, mode: 0o700 })
  }

  /** @returns the file's path, as soon as it is there @throws MeshError `NOT_FOUND` without such an account */
  async keep(request: TokenRequest, file: string): Promise<string> {
    const path = join(this.#settings.dir, file)
    await this.#write(request, path)
    return path
  }

  /** @throws MeshError `NOT_FOUND` without such an account */
  async mint(request: TokenRequest): Promise<{ readonly token: string; readonly expiresAtMs: number }> {
    const { namespace, serviceAccount, pod, audience = API_AUDIENCE, lifeSeconds = LIFE_SECONDS } = request
    const { access, issuer } = this.#settings
    const account = access.get({ group: '', resource: 'serviceaccounts', namespace, name: serviceAccount })
    if (account === undefined) throw new MeshError('NOT_FOUND', `there is no account ${namespace}/${serviceAccount}`)
    const node =
      pod === undefined ? undefined : access.get({ group: '', resource: 'nodes', namespace: '', name: pod.node })
    return issuer.issue(
      {
        namespace,
        serviceAccount: { name: serviceAccount, uid: account.metadata.uid ?? '' },
        pod: pod === undefined ? undefined : { name: pod.name, uid: pod.uid },
        node: node === undefined ? undefined : { name: node.metadata.name, uid: node.metadata.uid ?? '' },
      },
      [audience],
      lifeSeconds,
    )
  }

  close(): void {
    this.#isClosed = true
    for (const timer of this.#timers.values()) timer.cancel()
  }

  async #write(request: TokenRequest, path: string): Promise<void> {
    const { token } = await this.mint(request)
    replaceFile(path, token)
    this.#renewIn(LIFE_SECONDS * RENEW_PART * 1000, request, path)
  }

  #renewIn(delayMs: number, request: TokenRequest, path: string): void {
    if (this.#isClosed) return
    const timer = this.#settings.clock.setTimer(delayMs, () => {
      this.#write(request, path).catch((error: unknown) => {
        this.#settings.logger.error('token cannot be renewed, trying again', { path, reason: reasonOf(error) })
        this.#renewIn(RETRY_MS, request, path)
      })
    })
    this.#timers.set(path, timer)
  }
}
