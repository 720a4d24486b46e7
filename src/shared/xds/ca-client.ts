import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import type { SpiffeId } from '#shared/model'
import { type ControlPlaneEndpoint, readCallHeaders, readRoots } from './endpoint.ts'
import { CREATE_CERTIFICATE_PATH } from './rpc.ts'
import { RpcChannel } from './rpc-channel.ts'
import { schema } from './schema.ts'
import { toStruct } from './struct.ts'

export interface SigningRequest {
  readonly csrPem: string
  /** For whom a node proxy asks; undefined = for the caller itself. */
  readonly impersonatedId: SpiffeId | undefined
  readonly validitySeconds: number
}

interface OpenChannel {
  readonly rootsPem: string | undefined
  readonly channel: RpcChannel
}

/** Asks a CA to sign: the CreateCertificate call (hbone-and-ztunnel c). */
export class CaClient implements Closer {
  readonly #endpoint: ControlPlaneEndpoint
  readonly #clock: Clock
  #open: OpenChannel | undefined

  constructor(endpoint: ControlPlaneEndpoint, clock: Clock) {
    this.#endpoint = endpoint
    this.#clock = clock
  }

  /**
   * @returns leaf, intermediates, root bundle, as the CA sent them
   * @throws MeshError `CERTIFICATE_UNAVAILABLE` with the CA's status or what went wrong before; `CONFIG_INVALID` when
   *   roots or token cannot be read
   */
  async createCertificate(
    request: SigningRequest,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<readonly string[]> {
    const { csrPem: csr, impersonatedId, validitySeconds: validityDuration } = request
    const headers = await readCallHeaders(this.#endpoint)
    const channel = await this.#channel()
    const metadata = impersonatedId === undefined ? null : toStruct({ ImpersonatedIdentity: impersonatedId })
    const bytes = schema().certificateRequest.encode({ csr, validityDuration, metadata })
    try {
      const reply = await channel.unary(CREATE_CERTIFICATE_PATH, headers, bytes, timeoutMs, signal)
      return schema().certificateReply.decode(reply).certChain
    } catch (cause) {
      throw new MeshError('CERTIFICATE_UNAVAILABLE', `CreateCertificate: ${reasonOf(cause)}`, { cause })
    }
  }

  async close(): Promise<void> {
    this.#open?.channel.close()
    this.#open = undefined
  }

  /** The open connection, or a new one when the roots have changed. */
  async #channel(): Promise<RpcChannel> {
    const rootsPem = await readRoots(this.#endpoint.roots)
    if (this.#open !== undefined && this.#open.rootsPem === rootsPem) return this.#open.channel
    const channel = new RpcChannel(this.#endpoint, rootsPem, this.#clock)
    this.#open = { rootsPem, channel } // calls on an older one finish on it, and then it is idle and ends
    return channel
  }
}
