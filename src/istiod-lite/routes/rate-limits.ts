import type { RateLimitPolicy } from '#shared/k8s'
import type { LimitKey, RateLimit } from '#shared/l7'
import { textMatch } from './request-policies.ts'

export function rateLimit({ metadata, spec }: RateLimitPolicy): Omit<RateLimit, 'targets'> {
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    limits: spec.limits.map(({ match, per, requests, windowMs, burst }) => ({
      methods: match.methods,
      paths: match.paths.map(textMatch),
      headers: match.headers.map(([name, value]) => ({ name: name.toLowerCase(), match: textMatch(value) })),
      per: per.map(keyOf),
      requests,
      windowMs,
      burst: burst ?? requests,
    })),
  }
}

/** The form was checked when the object was read. */
function keyOf(key: string): LimitKey {
  const [kind = '', name = ''] = key.split(/:(.*)/s)
  if (kind === 'header') return { kind, name: name.toLowerCase() }
  if (kind === 'claim') return { kind, path: name.split('.') }
  return { kind: kind === 'identity' ? 'identity' : 'source-ip' }
}
