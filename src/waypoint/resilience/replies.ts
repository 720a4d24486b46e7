import type { MeshError } from '#shared/errors'
import type { PickRefusal } from '../balance/index.ts'
import type { LocalReply, ResponseFlag } from '../codec/index.ts'

const GRPC_CANCELLED = 1
const GRPC_DEADLINE_EXCEEDED = 4

type Words = Pick<LocalReply, 'status' | 'body' | 'flag' | 'details'> &
  Partial<Pick<LocalReply, 'fields' | 'grpcStatus' | 'cause'>>

/** Nobody was there to be asked. */
export function refusedReply(refusal: PickRefusal): LocalReply {
  switch (refusal) {
    case 'no-cluster':
      return reply({ status: 503, body: '', flag: 'NC', details: 'cluster_not_found' })
    case 'no-healthy-endpoint':
      return reply({ status: 503, body: 'no healthy upstream', flag: 'UH', details: 'no_healthy_upstream' })
    case 'too-many-requests':
      return overflowReply(undefined)
  }
}

/** What the route names does not exist or may not be used; why is told by the control plane. */
export function failedBackendReply(status: number): LocalReply {
  return reply({ status, body: '', flag: '', details: 'direct_response' })
}

/** @param isRetry whether it was tried before */
export function failureReply(cause: MeshError, isRetry: boolean): LocalReply {
  const { status, flag } = cause.spec
  if (flag === 'UO') return overflowReply(cause)
  const reason = resetReason(cause)
  return reply({
    status: status === 502 ? 502 : 503,
    body: `upstream connect error or disconnect/reset before headers. ${isRetry ? 'retried and the latest ' : ''}reset reason: ${reason}`,
    flag: flagOf(flag),
    details: `upstream_reset_before_response_started{${reason.replaceAll(' ', '_')}}`,
    cause,
  })
}

/** @param of the whole request, or of its last attempt only */
export function timeoutReply(of: 'request' | 'attempt', cause: MeshError): LocalReply {
  return reply({
    status: 504,
    body: 'upstream request timeout',
    flag: 'UT',
    details: of === 'request' ? 'response_timeout' : 'upstream_per_try_timeout',
    grpcStatus: GRPC_DEADLINE_EXCEEDED,
    cause,
  })
}

/** The client broke its own request off, or broke the protocol in its body. */
export function clientFaultReply(cause: MeshError): LocalReply {
  if (cause.code === 'CLIENT_GONE') return clientGoneReply(cause)
  const flag: ResponseFlag = cause.spec.flag === 'DPE' ? 'DPE' : 'DC'
  return reply({ status: cause.spec.status, body: '', flag, details: 'downstream_request_incomplete', cause })
}

/** Nobody gets it; logs show it. */
function clientGoneReply(cause: MeshError): LocalReply {
  return reply({
    status: cause.spec.status,
    body: '',
    flag: 'DC',
    details: 'downstream_remote_disconnect',
    grpcStatus: GRPC_CANCELLED,
    cause,
  })
}

function overflowReply(cause: MeshError | undefined): LocalReply {
  return reply({
    status: 503,
    body: 'upstream connect error or disconnect/reset before headers. reset reason: overflow',
    flag: 'UO',
    details: 'upstream_reset_before_response_started{overflow}',
    fields: [['x-envoy-overloaded', 'true']],
    cause,
  })
}

function reply(words: Words): LocalReply {
  return { kind: 'reply', fields: [], grpcStatus: undefined, cause: undefined, ...words }
}

/** Envoy's words for it. */
function resetReason({ code, spec }: MeshError): string {
  switch (code) {
    case 'UPSTREAM_CONNECT_TIMEOUT':
    case 'TUNNEL_HANDSHAKE_TIMEOUT':
    case 'TUNNEL_ANSWER_TIMEOUT':
      return 'connection timeout'
    case 'UPSTREAM_REFUSED_STREAM':
      return 'remote refused stream reset'
    case 'UPSTREAM_PROTOCOL':
      return 'protocol error'
    default:
      if (spec.flag === 'UF') return spec.side === 'local' ? 'local connection failure' : 'remote connection failure'
      return 'connection termination'
  }
}

/** The error table has flags of connections, too, that no request ends with. */
function flagOf(flag: string): ResponseFlag {
  return flag === 'UF' || flag === 'UC' || flag === 'UR' || flag === 'UPE' || flag === 'UT' ? flag : ''
}
