/** Why connections end before their request is built, in the words of `ambit_early_denials_total`. */
export type EarlyCause =
  | 'own-port'
  | 'unknown-local-workload'
  | 'no-healthy-upstream'
  | 'unknown-waypoint'
  | 'unknown-gateway'
  | 'unknown-hostname'
  | 'unresolved-port'
  | 'ip-mismatch'
  | 'malformed-request'
  | 'tls'
  | 'no-identity'
  | 'no-address'
  | 'control-plane'
  | 'too-many-connections'
  | 'internal-error'
  | 'other'

/**
 * How error texts begin, most of them Istio's own (hbone-and-ztunnel h.3) and so as fixed as the wire. They are read back
 * here rather than told beside the text, so that a line of the log and its counter cannot disagree.
 */
const TEXTS: readonly (readonly [start: RegExp, cause: EarlyCause])[] = [
  [/^attempted recursive call/, 'own-port'],
  [/^failed to fetch information about local workload/, 'unknown-local-workload'],
  [/^no healthy upstream/, 'no-healthy-upstream'],
  [/^unknown waypoint/, 'unknown-waypoint'],
  [/^unknown network gateway|network gateway/, 'unknown-gateway'],
  [/^no service or workload for hostname/, 'unknown-hostname'],
  [/^requested service .* cannot resolve port|^no port \d+ of service/, 'unresolved-port'],
  [/^ip mismatch/, 'ip-mismatch'],
  [/^expected method CONNECT|^no valid authority pseudo header/, 'malformed-request'],
  [/^tls handshake error|^peer is |^client's certificate/, 'tls'],
  [/has no identity$|^no identity is known|^no certificate/, 'no-identity'],
  [/^no usable address|cannot be resolved|has no address to name/, 'no-address'],
  [/^the control plane did not say/, 'control-plane'],
  [/^too many connections/, 'too-many-connections'],
  [/^internal error/, 'internal-error'],
]

export function earlyCause(error: string): EarlyCause {
  return TEXTS.find(([start]) => start.test(error))?.[1] ?? 'other'
}
