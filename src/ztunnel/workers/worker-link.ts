import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { type IdentityMaterial, identityOf } from '#shared/identity'
import type { MeshState } from '#shared/mesh-state'
import type { SpiffeId } from '#shared/model'
import type { TlsProfile, WorkloadCertificate } from '#shared/pki'
import type { ToSupervisor, ToWorker, WorkerReport } from './messages.ts'

/** The worker's end of the channel. */
export interface SupervisorChannel {
  send(message: ToSupervisor): void
}

export interface WorkerLinkOptions {
  readonly channel: SupervisorChannel
  readonly clock: Clock
  /** What of TLS the tunnels speak. */
  readonly tlsProfile?: TlsProfile
  readonly state: Pick<MeshState, 'applyAddresses' | 'applyAuthorizations'>
  readonly report: () => WorkerReport
  readonly onLogFilter: (filter: string) => void
  /** The tunnel ends. */
  readonly onDrain: (heirPath: string | undefined) => void
}

/** As long as a worker waits for its supervisor, which has time-outs of its own. */
const ANSWER_TIMEOUT_MS = 20_000

/** What a worker gets of its supervisor: the mesh, certificates, answers; and the other way, reports. */
export class WorkerLink {
  readonly #options: WorkerLinkOptions
  readonly #certificates = new Map<SpiffeId, WorkloadCertificate>()
  readonly #fetching = new Map<SpiffeId, Promise<WorkloadCertificate>>()
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: MeshError): void }>()
  readonly #whole = Promise.withResolvers<void>()
  #lastNumber = 0

  constructor(options: WorkerLinkOptions) {
    this.#options = options
  }

  /** The mesh's first whole description has been applied. */
  get synced(): Promise<void> {
    return this.#whole.promise
  }

  readonly take = (message: ToWorker): void => {
    const { state, channel, report, onLogFilter, onDrain } = this.#options
    switch (message.kind) {
      // What is wrong with a resource the supervisor has told the control plane.
      case 'addresses':
        state.applyAddresses(message.update)
        return
      case 'authorizations':
        state.applyAuthorizations(message.update)
        return
      case 'whole':
        this.#whole.resolve()
        return
      case 'certificate':
        this.#takeCertificate(message)
        return
      case 'answered':
        this.#settle(message.number, message.outcome, 'XDS_STREAM_LOST')
        return
      case 'log filter':
        onLogFilter(message.filter)
        return
      case 'drain':
        onDrain(message.heirPath)
        return
      case 'report':
        channel.send({ kind: 'report', number: message.number, report: report() })
    }
  }

  /** @throws MeshError `CERTIFICATE_UNAVAILABLE` */
  readonly certificateOf = async (id: SpiffeId): Promise<WorkloadCertificate> => {
    const known = this.#certificates.get(id)
    if (known !== undefined && known.leaf.notAfterMs > this.#options.clock.nowMs()) return known
    const fetching = this.#fetching.get(id) ?? this.#fetch(id)
    return fetching
  }

  /** @throws MeshError `XDS_STREAM_LOST` */
  readonly askFor = async (names: readonly string[]): Promise<void> => {
    await this.#ask((number) => ({ kind: 'names?', number, names }), 'XDS_STREAM_LOST')
  }

  #fetch(id: SpiffeId): Promise<WorkloadCertificate> {
    const fetching = this.#ask((number) => ({ kind: 'certificate?', number, id }), 'CERTIFICATE_UNAVAILABLE')
      .then((material) => this.#keep(id, material as IdentityMaterial))
      .finally(() => this.#fetching.delete(id))
    this.#fetching.set(id, fetching)
    return fetching
  }

  #takeCertificate({ number, id, outcome }: Extract<ToWorker, { kind: 'certificate' }>): void {
    if (number !== undefined) this.#settle(number, outcome, 'CERTIFICATE_UNAVAILABLE')
    else if (outcome.ok) this.#keep(id, outcome.value)
  }

  #keep(id: SpiffeId, material: IdentityMaterial): WorkloadCertificate {
    const certificate = identityOf(id, material, this.#options.clock, this.#options.tlsProfile)
    this.#certificates.set(id, certificate)
    return certificate
  }

  #ask(
    request: (number: number) => ToSupervisor,
    code: 'CERTIFICATE_UNAVAILABLE' | 'XDS_STREAM_LOST',
  ): Promise<unknown> {
    const number = ++this.#lastNumber
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const timer = this.#options.clock.setTimer(ANSWER_TIMEOUT_MS, () => {
      this.#waiting.delete(number)
      reject(new MeshError(code, `the supervisor did not answer within ${ANSWER_TIMEOUT_MS} ms`))
    })
    this.#waiting.set(number, { resolve, reject })
    this.#options.channel.send(request(number))
    return promise.finally(() => timer.cancel())
  }

  #settle(
    number: number,
    outcome: Extract<ToWorker, { kind: 'certificate' | 'answered' }>['outcome'],
    code: 'CERTIFICATE_UNAVAILABLE' | 'XDS_STREAM_LOST',
  ): void {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (outcome.ok) waiting?.resolve(outcome.value)
    else waiting?.reject(new MeshError(code, outcome.reason))
  }
}
