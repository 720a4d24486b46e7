import { isIP } from 'node:net'
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls'
import {
  Client,
  type ClientDuplexStream,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js'
import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { ControlPlaneEndpoint } from './endpoint.ts'
import {
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
  MAX_REQUEST_BYTES,
  MAX_RESPONSE_BYTES,
  RpcError,
  type RpcStatus,
  rpcCodes,
} from './rpc.ts'

/** Exactly one `ended` comes, last. */
export interface RpcStreamEvents {
  /** The server has answered with its headers. */
  opened(): void
  message(bytes: Buffer): void
  ended(status: RpcStatus): void
}

export interface RpcStream {
  send(bytes: Buffer): void
  /** Ends the call; `ended` follows. */
  cancel(): void
}

type Headers = readonly (readonly [name: string, value: string])[]

const CONNECT_TIMEOUT_MS = 5_000
/** In place of an address, which RFC 6066 §3 does not allow as a TLS server name. */
const NO_SERVER_NAME = 'control-plane.invalid'

const passBytes = (bytes: Buffer): Buffer => bytes

/** One connection to a control plane: TLS 1.3, the server checked against the roots and the host's name. */
export class RpcChannel {
  readonly #client: Client
  readonly #clock: Clock
  readonly #where: string

  /**
   * @param rootsPem undefined = the roots of the operating system
   * @throws MeshError `CONFIG_INVALID` when the roots are not PEM
   */
  constructor(endpoint: ControlPlaneEndpoint, rootsPem: string | undefined, clock: Clock) {
    const { host, port } = endpoint
    this.#clock = clock
    this.#where = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
    const channelCredentials = credentials.createFromSecureContext(secureContext(endpoint, rootsPem), {
      checkServerIdentity: (_name: string, certificate: PeerCertificate) => checkName(endpoint, certificate),
    })
    this.#client = new Client(`dns:${this.#where}`, channelCredentials, {
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
      'grpc.max_send_message_length': MAX_REQUEST_BYTES,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
      // No setting of the process's environment may move this connection.
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      ...(isIP(host) === 0 ? {} : { 'grpc.ssl_target_name_override': NO_SERVER_NAME }),
    })
  }

  /** Opens the connection too, if need be; that it cannot be made, or not within 5 s, comes as `ended`, status 14. */
  stream(path: string, headers: Headers, events: RpcStreamEvents): RpcStream {
    const call: ClientDuplexStream<Buffer, Buffer> = this.#client.makeBidiStreamRequest(
      path,
      passBytes,
      passBytes,
      metadataOf(headers),
    )
    call.on('metadata', () => events.opened())
    call.on('data', (bytes: Buffer) => events.message(bytes))
    call.on('error', () => {}) // `status` tells the same, and always comes
    let end = (status: RpcStatus): void => {
      end = () => {}
      timer.cancel()
      events.ended(status)
    }
    const timer = this.#clock.setTimer(CONNECT_TIMEOUT_MS, () => {
      if (this.#client.getChannel().getConnectivityState(false) === connectivityState.READY) return
      end({ code: rpcCodes.unavailable, message: `no connection to ${this.#where} within ${CONNECT_TIMEOUT_MS} ms` })
      call.cancel()
    })
    call.on('status', ({ code, details }: StatusObject) => end({ code, message: details }))
    return { send: (bytes) => void call.write(bytes), cancel: () => call.cancel() }
  }

  /** @throws RpcError; a deadline is status 4 */
  unary(path: string, headers: Headers, request: Buffer, timeoutMs: number, signal?: AbortSignal): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    const call = this.#client.makeUnaryRequest(
      path,
      passBytes,
      passBytes,
      request,
      metadataOf(headers),
      (error: ServiceError | null, reply?: Buffer) => {
        if (error !== null) reject(new RpcError({ code: error.code, message: error.details }))
        else resolve(reply ?? Buffer.alloc(0))
      },
    )
    const timer = this.#clock.setTimer(timeoutMs, () => {
      reject(new RpcError({ code: rpcCodes.deadlineExceeded, message: `no answer within ${timeoutMs} ms` }))
      call.cancel()
    })
    const abort = (): void => call.cancel()
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort, { once: true })
    return promise.finally(() => {
      timer.cancel()
      signal?.removeEventListener('abort', abort)
    })
  }

  close(): void {
    this.#client.close()
  }
}

function secureContext(
  endpoint: ControlPlaneEndpoint,
  rootsPem: string | undefined,
): ReturnType<typeof createSecureContext> {
  if (rootsPem !== undefined && !rootsPem.includes('-----BEGIN CERTIFICATE-----'))
    throw new MeshError('CONFIG_INVALID', 'the roots of the control plane hold no PEM certificate')
  try {
    return createSecureContext({
      minVersion: endpoint.allowTls12 ? 'TLSv1.2' : 'TLSv1.3',
      ...(rootsPem === undefined ? {} : { ca: rootsPem }),
    })
  } catch (cause) {
    throw new MeshError('CONFIG_INVALID', 'the roots of the control plane cannot be read', { cause })
  }
}

/** The host's own name, or the alternative one, must be in the certificate. */
function checkName(endpoint: ControlPlaneEndpoint, certificate: PeerCertificate): Error | undefined {
  const problem = checkServerIdentity(endpoint.host, certificate)
  if (problem === undefined || endpoint.alternativeHost === undefined) return problem
  return checkServerIdentity(endpoint.alternativeHost, certificate)
}

function metadataOf(headers: Headers): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of headers) metadata.add(name, value)
  return metadata
}
