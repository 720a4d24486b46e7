import type { MtlsMode, PeerAuthentication } from '#shared/k8s'
import type { Authorization, AuthorizationClause, AuthorizationRule } from '#shared/model'
import { oldest } from './age.ts'
import type { Shortfall } from './conditions.ts'
import { isUnselective, selects } from './labels.ts'
import { EMPTY_MATCH } from './policies.ts'
import type { MeshSettings } from './settings.ts'

/** PeerAuthentications of the root namespace and of one other (or the same again). */
export interface PeerAuthenticationsFor {
  readonly root: readonly PeerAuthentication[]
  readonly namespace: readonly PeerAuthentication[]
}

type Strictness = 'strict' | 'permissive'

const STATIC_STRICT = 'istio_converted_static_strict'
const CONVERTED_PREFIX = 'converted_peer_authentication_'

/** Nobody without a proven identity. */
const NO_IDENTITY: AuthorizationClause = [{ ...EMPTY_MATCH, notPrincipals: [{ kind: 'presence' }] }]

/** The one policy that refuses plaintext on all ports; workloads name it when they are strict without exceptions. */
export function staticStrict(settings: MeshSettings): Authorization {
  return denial(STATIC_STRICT, settings.rootNamespace, [[NO_IDENTITY]])
}

/**
 * What a PeerAuthentication with port modes says to tunnels; undefined when it says nothing that `staticStrict` or
 * no policy at all would not say as well.
 *
 * @param others of its own namespace and of the root namespace
 * @see istio-control-plane b.5
 */
export function convertPeerAuthentication(
  policy: PeerAuthentication,
  others: PeerAuthenticationsFor,
  settings: MeshSettings,
): Authorization | undefined {
  const { metadata, spec } = policy
  if (isUnselective(spec.selector) || metadata.namespace === settings.rootNamespace) return undefined
  const ports = portsThatDiffer(policy, others)
  if (ports.length === 0) return undefined
  const name = `${CONVERTED_PREFIX}${metadata.name}`
  return denial(name, metadata.namespace, rulesFor(ports, strictnessOf(policy, others)))
}

/** A strict workload refuses plaintext except on these ports; a permissive one only on these. */
function rulesFor(ports: readonly number[], strictness: Strictness): readonly AuthorizationRule[] {
  if (strictness === 'strict') {
    return [[NO_IDENTITY, ...ports.map((port) => [{ ...EMPTY_MATCH, notDestinationPorts: [port] }])]]
  }
  return ports.map((port) => [
    [{ ...EMPTY_MATCH, notPrincipals: [{ kind: 'presence' as const }], destinationPorts: [port] }],
  ])
}

/**
 * The key of the policy that a workload has to name for its PeerAuthentications, or none.
 *
 * Istio's own look-up misses DISABLE as a port's exception, and names a policy that it never sends when a namespace
 * policy is UNSET under a strict mesh; both would leave a workload other than its author wrote it.
 */
export function peerAuthenticationKey(
  labels: Readonly<Record<string, string>>,
  policies: PeerAuthenticationsFor,
  settings: MeshSettings,
): string | undefined {
  const isRoot = policies.namespace[0]?.metadata.namespace === settings.rootNamespace
  const selecting = isRoot
    ? []
    : policies.namespace.filter(({ spec }) => selects(spec.selector?.matchLabels ?? {}, labels))
  const own = oldest(selecting)
  if (own !== undefined && portsThatDiffer(own, policies).length > 0) {
    return `${own.metadata.namespace}/${CONVERTED_PREFIX}${own.metadata.name}`
  }
  return strictnessOf(own, policies) === 'strict' ? `${settings.rootNamespace}/${STATIC_STRICT}` : undefined
}

/** What of a PeerAuthentication tunnels do not do as it is written. */
export function peerAuthenticationShortfalls(
  policy: PeerAuthentication,
  others: PeerAuthenticationsFor,
  settings: MeshSettings,
): readonly Shortfall[] {
  const { metadata, spec } = policy
  if (isNamespaceWide(policy)) {
    const counting = oldest([...others.namespace.filter(isNamespaceWide).filter(isAnother(policy)), policy])
    if (counting !== undefined && counting !== policy) return [ignored(`${counting.metadata.name} is older and counts`)]
  } else if (metadata.namespace === settings.rootNamespace)
    return [ignored(`${settings.rootNamespace} is the root namespace, where selectors have no effect`)]
  const modes = [spec.mtls, ...spec.portLevelMtls.values()]
  if (!modes.includes('DISABLE')) return []
  const message = 'DISABLE is taken as PERMISSIVE: tunnels that the mesh opens are taken, too.'
  return [{ reason: 'DisableIsPermissive', message }]
}

function ignored(why: string): Shortfall {
  return { reason: 'Ignored', message: `It is ignored: ${why}.` }
}

function isAnother({ metadata }: PeerAuthentication): (other: PeerAuthentication) => boolean {
  return (other) => other.metadata.name !== metadata.name || other.metadata.namespace !== metadata.namespace
}

/** Ports whose mode leads elsewhere than the rest of the workload, sorted. */
function portsThatDiffer(policy: PeerAuthentication, others: PeerAuthenticationsFor): readonly number[] {
  const rest = strictnessOf(policy, others)
  return [...policy.spec.portLevelMtls]
    .filter(([, mode]) => mode !== 'UNSET' && strictness(mode) !== rest)
    .map(([port]) => port)
    .sort((a, b) => a - b)
}

/** The first of workload, namespace and mesh that says something; plaintext is taken when none does. */
function strictnessOf(own: PeerAuthentication | undefined, others: PeerAuthenticationsFor): Strictness {
  const levels = [own, namespaceWide(others.namespace), namespaceWide(others.root)]
  const mode = levels.map((policy) => policy?.spec.mtls ?? 'UNSET').find((found) => found !== 'UNSET')
  return strictness(mode ?? 'PERMISSIVE')
}

/** DISABLE cannot forbid tunnels on the way in; it is as good as PERMISSIVE (b.5). */
function strictness(mode: MtlsMode): Strictness {
  return mode === 'STRICT' ? 'strict' : 'permissive'
}

function namespaceWide(policies: readonly PeerAuthentication[]): PeerAuthentication | undefined {
  return oldest(policies.filter(isNamespaceWide))
}

function isNamespaceWide({ spec }: PeerAuthentication): boolean {
  return isUnselective(spec.selector)
}

function denial(name: string, namespace: string, rules: readonly AuthorizationRule[]): Authorization {
  return { name, namespace, scope: 'WorkloadSelector', action: 'Deny', rules, dryRun: false }
}
