import type { Pod } from '#shared/k8s'
import { parseSpiffeId, type SpiffeId, spiffeId, spiffeParts } from '#shared/model'
import { type Mesh, nodeAccountKey } from '../mesh/index.ts'
import type { Caller } from './authenticate.ts'

export interface EntitlementSettings {
  readonly trustDomain: string
  /** `namespace/account` of node proxies, which ask for the pods of their node (CA_TRUSTED_NODE_ACCOUNTS). */
  readonly trustedNodeAccounts: ReadonlySet<string>
}

/** What of the mesh is looked at. */
export type EntitlementFacts = Pick<Mesh, 'pods' | 'podsByNodeAccount'>

export type Entitlement =
  | { readonly kind: 'entitled'; readonly id: SpiffeId }
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Which identity a caller gets. Everybody gets its own; a node proxy gets that of an account with a pod on its node, and
 * of no other: a stolen node can speak for its own pods only.
 *
 * @param asked `ImpersonatedIdentity`, not yet trusted; undefined = the caller's own
 * @see istio-control-plane e; unlike istiod, the trust domain is compared
 */
export function decideEntitlement(
  caller: Caller,
  asked: string | undefined,
  facts: EntitlementFacts,
  settings: EntitlementSettings,
): Entitlement {
  const { namespace, serviceAccount } = caller
  const own = spiffeId({ trustDomain: settings.trustDomain, namespace, serviceAccount })
  const id = asked === undefined ? own : parseSpiffeId(asked)
  const account = `${namespace}/${serviceAccount}`
  if (id === own) return { kind: 'entitled', id }
  if (id === undefined) return refused(`${shown(asked)} is no SPIFFE id`)
  if (!settings.trustedNodeAccounts.has(account)) return refused(`${account} may not ask for others`)

  const wanted = spiffeParts(id)
  if (wanted.trustDomain !== settings.trustDomain)
    return refused(`${shown(id)} is of another trust domain than ${settings.trustDomain}`)
  const node = nodeOf(caller, facts)
  if (node.kind === 'unknown') return refused(node.reason)
  const pods = facts.podsByNodeAccount.get(nodeAccountKey(node.name, wanted.namespace, wanted.serviceAccount))
  if (!pods.some(isAlive)) return refused(`no pod of ${wanted.namespace}/${wanted.serviceAccount} is on ${node.name}`)
  return { kind: 'entitled', id }
}

/** The caller's node: what its token says, and what its pod says where there is one; the two may not differ. */
function nodeOf(
  caller: Caller,
  facts: EntitlementFacts,
): { readonly kind: 'known'; readonly name: string } | { readonly kind: 'unknown'; readonly reason: string } {
  const name = `${caller.namespace}/${caller.podName}`
  const pod = facts.pods.get(name)
  if (pod !== undefined && pod.metadata.uid !== caller.podUid)
    return { kind: 'unknown', reason: `the token is of an earlier pod ${name}` }
  if (pod !== undefined && pod.spec.serviceAccountName !== caller.serviceAccount)
    return { kind: 'unknown', reason: `pod ${name} runs as another account than the token says` }
  const node = caller.nodeName ?? pod?.spec.nodeName ?? ''
  if (node === '') return { kind: 'unknown', reason: `it is not known on which node ${name} runs` }
  if (pod !== undefined && pod.spec.nodeName !== node)
    return { kind: 'unknown', reason: `pod ${name} runs on another node than the token says` }
  return { kind: 'known', name: node }
}

/** A pod that waits to start needs its certificate soon; one that ended never again. */
function isAlive(pod: Pod): boolean {
  return pod.status.phase !== 'Failed' && pod.status.phase !== 'Succeeded'
}

function refused(reason: string): Entitlement {
  return { kind: 'refused', reason }
}

function shown(text: string | undefined): string {
  return JSON.stringify((text ?? '').slice(0, 256))
}
