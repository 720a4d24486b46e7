import type { TCPRoute, TLSRoute } from '#shared/k8s'
import type { TcpRule, WeightedBackend } from '#shared/l7'
import { type BackendFacts, gatewayBackend } from './backends.ts'
import type { Find } from './findings.ts'
import { NO_CHANGES } from './header-changes.ts'

/** A TCPRoute takes every connection, a TLSRoute those for its host names; either has one rule. */
export function streamRouteRules(route: TCPRoute | TLSRoute, facts: BackendFacts, find: Find): readonly TcpRule[] {
  const { namespace, name } = route.metadata
  const from = { kind: route.kind, namespace }
  const sniHosts = route.kind === 'TLSRoute' ? route.spec.hostnames : []
  return route.spec.rules.map((rule, i): TcpRule => {
    const path = `spec.rules[${i}]`
    const backends = rule.backendRefs.flatMap((ref, j): WeightedBackend[] => {
      const to = gatewayBackend(ref, from, `${path}.backendRefs[${j}]`, facts, find)
      return ref.weight === 0 ? [] : [{ ...PLAIN, to, weight: ref.weight }]
    })
    return {
      origin: `${route.kind} ${namespace}/${name} ${path}`,
      matches: sniHosts.length === 0 ? [] : [{ sniHosts, destinations: [], source: undefined }],
      backends: backends.length > 0 ? backends : [NOWHERE],
    }
  })
}

const PLAIN = { requestHeaders: NO_CHANGES, responseHeaders: NO_CHANGES, authority: '' } as const
const NOWHERE: WeightedBackend = {
  ...PLAIN,
  to: { kind: 'failed', statusCode: 500, reason: 'no backend has a weight' },
  weight: 1,
}
