import { octets } from '../route/index.ts'

/** Characters of hosts and ports, brackets of IPv6 among them (RFC 3986 §3.2.2), without those that end an authority. */
const AUTHORITY = /^[A-Za-z0-9._~%!$&'()*+;=:[\]-]+$/

/** The authority that a rule wants; undefined when it wants none, or one that would break the line in which it stands. */
export function ruleAuthority(text: string): string | undefined {
  const written = octets(text)
  return AUTHORITY.test(written) ? written.toLowerCase() : undefined
}

const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/

/** As `ruleAuthority`, of a scheme (RFC 3986 §3.1). */
export function ruleScheme(text: string): string | undefined {
  return SCHEME.test(text) ? text.toLowerCase() : undefined
}
