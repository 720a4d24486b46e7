/** Whose doing a failure is: it decides the answer, the metric label and who looks into it. */
export type Side = 'downstream' | 'upstream' | 'local'

/** What may be tried again: nothing, a request never sent, or one lost on a reused connection. */
export type Retry = 'never' | 'unsent' | 'reused-connection'

/** How one kind of failure is answered, labelled and retried. */
export interface ErrorSpec {
  readonly side: Side
  readonly retry: Retry
  /** HTTP status of an answer that reports it. */
  readonly status: number
  /** Envoy's short response flag. */
  readonly flag: string
}

/** Every error that Ambit throws on purpose. `test/layout/errors.test.ts` holds this table against docs/errors.md. */
export const codes = {
  CONFIG_INVALID: { side: 'local', retry: 'never', status: 500, flag: '-' },
  PRIVILEGE_MISSING: { side: 'local', retry: 'never', status: 500, flag: '-' },
  SYSCALL_FAILED: { side: 'local', retry: 'never', status: 500, flag: '-' },
  NETLINK_REJECTED: { side: 'local', retry: 'never', status: 500, flag: '-' },

  SPIFFE_ID_INVALID: { side: 'downstream', retry: 'never', status: 400, flag: 'DPE' },
  CERTIFICATE_INVALID: { side: 'local', retry: 'never', status: 503, flag: 'UF' },
  CERTIFICATE_UNAVAILABLE: { side: 'local', retry: 'never', status: 503, flag: 'UF' },
  CSR_INVALID: { side: 'downstream', retry: 'never', status: 400, flag: 'DPE' },
  CERTIFICATE_LIMIT_EXCEEDED: { side: 'downstream', retry: 'never', status: 429, flag: 'UAEX' },
  CERTIFICATE_REFUSED: { side: 'downstream', retry: 'never', status: 401, flag: 'UAEX' },
  CRL_INVALID: { side: 'local', retry: 'never', status: 500, flag: '-' },
  PEER_REVOKED: { side: 'upstream', retry: 'never', status: 503, flag: 'UF' },
  PEER_UNVERIFIED: { side: 'upstream', retry: 'never', status: 503, flag: 'UF' },

  HBONE_TARGET_INVALID: { side: 'downstream', retry: 'never', status: 400, flag: 'DPE' },
  TUNNEL_REFUSED: { side: 'upstream', retry: 'never', status: 503, flag: 'UF' },
  TUNNEL_LOST: { side: 'upstream', retry: 'reused-connection', status: 503, flag: 'UC' },
  TUNNEL_HANDSHAKE_TIMEOUT: { side: 'upstream', retry: 'unsent', status: 504, flag: 'UF' },
  TUNNEL_HANDSHAKE_FAILED: { side: 'upstream', retry: 'unsent', status: 503, flag: 'UF' },
  TUNNEL_ANSWER_TIMEOUT: { side: 'upstream', retry: 'never', status: 504, flag: 'UF' },
  TUNNEL_POOL_UNAVAILABLE: { side: 'local', retry: 'unsent', status: 503, flag: 'UO' },
  CLIENT_UNVERIFIED: { side: 'downstream', retry: 'never', status: 401, flag: 'UAEX' },
  CLIENT_HANDSHAKE_FAILED: { side: 'downstream', retry: 'never', status: 400, flag: 'DPE' },
  UPSTREAM_CONNECT_FAILED: { side: 'upstream', retry: 'unsent', status: 503, flag: 'UF' },
  UPSTREAM_CONNECT_TIMEOUT: { side: 'upstream', retry: 'unsent', status: 504, flag: 'UF' },
  UPSTREAM_REFUSED_STREAM: { side: 'upstream', retry: 'unsent', status: 503, flag: 'UR' },
  UPSTREAM_RESET_BEFORE_REQUEST: { side: 'upstream', retry: 'reused-connection', status: 503, flag: 'UC' },
  UPSTREAM_RESET: { side: 'upstream', retry: 'never', status: 503, flag: 'UC' },
  UPSTREAM_PROTOCOL: { side: 'upstream', retry: 'never', status: 502, flag: 'UPE' },
  UPSTREAM_TIMEOUT: { side: 'upstream', retry: 'never', status: 504, flag: 'UT' },
  MIRROR_GIVEN_UP: { side: 'local', retry: 'never', status: 500, flag: '-' },
  REQUEST_MALFORMED: { side: 'downstream', retry: 'never', status: 400, flag: 'DPE' },
  REQUEST_TIMEOUT: { side: 'downstream', retry: 'never', status: 408, flag: 'DT' },
  TOKEN_INVALID: { side: 'downstream', retry: 'never', status: 401, flag: '-' },
  TOKEN_KEYS_UNAVAILABLE: { side: 'local', retry: 'never', status: 401, flag: '-' },
  CLIENT_GONE: { side: 'downstream', retry: 'never', status: 499, flag: 'DC' },

  HTTP2_PROTOCOL_ERROR: { side: 'downstream', retry: 'never', status: 400, flag: 'DPE' },
  HTTP2_LIMIT_EXCEEDED: { side: 'downstream', retry: 'never', status: 429, flag: 'DPE' },

  RESOURCE_INVALID: { side: 'downstream', retry: 'never', status: 400, flag: 'DPE' },
  XDS_STREAM_LOST: { side: 'upstream', retry: 'unsent', status: 503, flag: 'UC' },
  ZDS_PROTOCOL_ERROR: { side: 'downstream', retry: 'never', status: 400, flag: 'DPE' },
  ZDS_UNAVAILABLE: { side: 'upstream', retry: 'unsent', status: 503, flag: '-' },
  ZDS_REFUSED: { side: 'upstream', retry: 'unsent', status: 503, flag: '-' },

  KUBE_API_UNREACHABLE: { side: 'upstream', retry: 'unsent', status: 503, flag: '-' },
  KUBE_API_REFUSED: { side: 'upstream', retry: 'never', status: 502, flag: '-' },
  NOT_LEADER: { side: 'local', retry: 'unsent', status: 503, flag: '-' },
  STORE_FAILED: { side: 'local', retry: 'never', status: 503, flag: '-' },
  STREAM_PROTOCOL_INVALID: { side: 'downstream', retry: 'never', status: 400, flag: '-' },
  API_REQUEST_REFUSED: { side: 'downstream', retry: 'never', status: 400, flag: '-' },

  CONTAINER_CONFIG_INVALID: { side: 'local', retry: 'never', status: 500, flag: '-' },
  COMMAND_FAILED: { side: 'local', retry: 'never', status: 500, flag: '-' },
  NOT_FOUND: { side: 'downstream', retry: 'never', status: 404, flag: 'NR' },
} as const
codes satisfies Record<string, ErrorSpec>

export type ErrorCode = keyof typeof codes
