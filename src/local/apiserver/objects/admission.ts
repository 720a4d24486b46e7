import type { Clock } from '#shared/clock'
import { ApiError, forbidden, invalid } from '../api-error.ts'
import type { AdmissionHook, AdmissionOutcome, AdmissionRequest, ApiObject } from '../types.ts'

/** How long one hook may take that does not say. */
const HOOK_TIMEOUT_MS = 10_000

/** Asks the hooks one after the other; each sees what the one before made. */
export class Admission {
  readonly #hooks: AdmissionHook[] = []
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @returns takes it away */
  add(hook: AdmissionHook): () => void {
    this.#hooks.push(hook)
    return () => void this.#hooks.splice(this.#hooks.indexOf(hook), 1)
  }

  /**
   * @returns the object as the hooks have it; the very same when nobody is interested
   * @throws ApiError Forbidden or Invalid when refused, InternalError when a hook fails or takes too long
   */
  async run(request: AdmissionRequest): Promise<ApiObject> {
    let { object } = request
    for (const hook of this.#hooks) {
      const asked = { ...request, object }
      if (!hook.handles(asked)) continue
      const outcome = await this.#ask(hook, asked)
      if (outcome.kind === 'refused') throw refusal(hook, asked, outcome)
      for (const warning of outcome.warnings) request.context.warn(warning)
      object = outcome.object
    }
    return object
  }

  async #ask(hook: AdmissionHook, request: AdmissionRequest): Promise<AdmissionOutcome> {
    const timeout = Promise.withResolvers<never>()
    const timer = this.#clock.setTimer(hook.timeoutMs ?? HOOK_TIMEOUT_MS, () =>
      timeout.reject(new ApiError('InternalError', `admission ${JSON.stringify(hook.name)} did not answer in time`)),
    )
    try {
      return await Promise.race([hook.admit(request), timeout.promise])
    } finally {
      timer.cancel()
    }
  }
}

function refusal(
  hook: AdmissionHook,
  { definition, object }: AdmissionRequest,
  outcome: Extract<AdmissionOutcome, { kind: 'refused' }>,
): ApiError {
  const { name } = object.metadata
  if (outcome.problems.length > 0) return invalid(definition, name, outcome.problems)
  return forbidden(definition, name, `admission ${JSON.stringify(hook.name)} denied the request: ${outcome.message}`)
}
