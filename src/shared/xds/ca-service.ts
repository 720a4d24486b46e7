import { type ErrorCode, MeshError, reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import { CREATE_CERTIFICATE_PATH, type RpcStatus, rpcCodes } from './rpc.ts'
import { type CallFacts, type RpcHandler, StatusError } from './rpc-server.ts'
import { schema } from './schema.ts'
import { fromStruct } from './struct.ts'

/** CreateCertificate as it was received; nothing of it is to be believed. */
export interface CertificateCall {
  readonly caller: CallFacts
  readonly csrPem: string
  /** 0 or less = the default of the CA. */
  readonly validitySeconds: number
  /** `ImpersonatedIdentity`: for whom a node proxy asks. */
  readonly impersonatedIdentity: string | undefined
  readonly signal: AbortSignal
}

/**
 * Signs.
 *
 * @returns leaf, intermediates one by one, root bundle as the last element
 * @throws MeshError `CERTIFICATE_REFUSED` (answered UNAUTHENTICATED, with a fixed text), `CSR_INVALID`
 *   (INVALID_ARGUMENT, with its message), `CERTIFICATE_LIMIT_EXCEEDED` (RESOURCE_EXHAUSTED), anything else (INTERNAL, with a fixed text)
 */
export type IssueCertificate = (call: CertificateCall) => Promise<readonly string[]>

/** Longest message that is decoded; the request is not trusted yet. */
const MAX_CALL_BYTES = 256 * 1024

/** The CreateCertificate call, to be put on an `RpcServer`. */
export function certificateHandler(issue: IssueCertificate, log: Logger): RpcHandler {
  return {
    kind: 'unary',
    path: CREATE_CERTIFICATE_PATH,
    async handle(caller, bytes, signal) {
      try {
        const certChain = await issue(readCall(caller, bytes, signal))
        return schema().certificateReply.encode({ certChain })
      } catch (error) {
        log.warn('no certificate', { peer: caller.peerAddress, error: reasonOf(error) })
        throw new StatusError(statusFor(error))
      }
    },
  }
}

function readCall(caller: CallFacts, bytes: Buffer, signal: AbortSignal): CertificateCall {
  if (bytes.length > MAX_CALL_BYTES) throw new MeshError('CSR_INVALID', 'the request is too large')
  const { csr, validityDuration, metadata } = schema().certificateRequest.decode(bytes)
  const impersonated = metadata === null ? undefined : fromStruct(metadata).ImpersonatedIdentity
  if (impersonated !== undefined && typeof impersonated !== 'string')
    throw new MeshError('CSR_INVALID', 'ImpersonatedIdentity is not a string')
  return {
    caller,
    csrPem: csr,
    validitySeconds: validityDuration,
    impersonatedIdentity: impersonated || undefined,
    signal,
  }
}

/** A refused caller learns no reason. */
function statusFor(error: unknown): RpcStatus {
  const code: ErrorCode | undefined = error instanceof MeshError ? error.code : undefined
  if (code === 'CERTIFICATE_REFUSED') return { code: rpcCodes.unauthenticated, message: 'request authenticate failure' }
  if (code === 'KUBE_API_UNREACHABLE' || code === 'KUBE_API_REFUSED')
    return { code: rpcCodes.unavailable, message: 'who calls cannot be found out now' }
  if (code === 'CERTIFICATE_LIMIT_EXCEEDED') return { code: rpcCodes.resourceExhausted, message: 'too many requests' }
  if (code === 'CSR_INVALID' || code === 'RESOURCE_INVALID')
    return { code: rpcCodes.invalidArgument, message: reasonOf(error).slice(0, 512) }
  return { code: rpcCodes.internal, message: 'certificate signing failed' }
}
