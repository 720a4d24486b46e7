import type { PathMatch, RedirectAction } from '#shared/l7'
import type { LocalReply, RequestHead } from '../codec/index.ts'
import { TOO_LONG_TO_MATCH } from '../route/index.ts'
import { ruleAuthority, ruleScheme } from './authority.ts'
import { rewriteTarget } from './rewrite.ts'

const OWN_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' }

export function redirectReply(
  action: RedirectAction,
  request: RequestHead,
  matched: PathMatch | undefined,
): LocalReply {
  const target = action.path === undefined ? request.target : rewriteTarget(request.target, matched, action.path)
  if (target === undefined) return TOO_LONG_TO_MATCH
  return {
    kind: 'reply',
    status: action.statusCode,
    body: '',
    fields: [['location', locationOf(action, request, target === '*' ? '/' : target)]],
    grpcStatus: undefined,
    flag: '',
    details: 'direct_response',
    cause: undefined,
  }
}

function locationOf(action: RedirectAction, request: RequestHead, target: string): string {
  const scheme = ruleScheme(action.scheme) ?? request.scheme
  const { host, port } = splitAuthority(ruleAuthority(action.authority) ?? request.authority)
  // Without a host the answer is relative to whoever was asked; two slashes would begin with another host.
  if (host === '') return target.replace(/^\/+/, '/')
  const wanted = action.port === undefined ? keptPort(action, request, port) : `${action.port}`
  return `${scheme}://${host}${wanted === '' || wanted === OWN_PORTS[scheme] ? '' : `:${wanted}`}${target}`
}

/** The port that the client wrote was its scheme's own: with another scheme it would be wrong. */
function keptPort(action: RedirectAction, request: RequestHead, port: string): string {
  const isOfOldScheme = action.authority === '' && port === OWN_PORTS[request.scheme]
  return isOfOldScheme ? '' : port
}

function splitAuthority(authority: string): { readonly host: string; readonly port: string } {
  const [, host = authority, port = ''] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority) ?? []
  return { host, port }
}
