import { type AuthorizationPolicy, objectKey } from '#shared/k8s'
import type { Authorization } from '#shared/model'
import { type Collection, derive, type Fetch, indexBy, join } from '../collections/index.ts'
import { labelKeys, selectorKey, selects } from './labels.ts'
import {
  convertPeerAuthentication,
  type PeerAuthenticationsFor,
  peerAuthenticationKey,
  staticStrict,
} from './peer-authentications.ts'
import { convertPolicy, type PolicyOutcome } from './policies.ts'
import { type Labelled, some, type WireParts } from './wire-parts.ts'

export interface WiredPolicies {
  readonly authorizations: Collection<Authorization>
  /** By `<namespace>/<name>`. */
  readonly converted: Collection<ConvertedPolicy>
  peerAuthenticationsFor(namespace: string, fetch: Fetch): PeerAuthenticationsFor
  /** Keys that the workload of these labels has to name. */
  attachedTo(workload: Labelled, fetch: Fetch): readonly string[]
}

/** An AuthorizationPolicy with what became of it. */
export interface ConvertedPolicy extends PolicyOutcome {
  readonly policy: AuthorizationPolicy
}

export function wirePolicies({ graph, objects, settings }: WireParts): WiredPolicies {
  const converted = derive<AuthorizationPolicy, ConvertedPolicy>(graph, {
    name: 'converted policies',
    from: objects.authorizationPolicies,
    keyOf: ({ policy }) => objectKey(policy),
    derive: (policy) => [{ policy, ...convertPolicy(policy, settings) }],
  })
  const bySelector = indexBy(converted, 'policies by selector', ({ policy, authorization }) =>
    authorization === undefined
      ? []
      : some(selectorKey(policy.metadata.namespace, policy.spec.selector?.matchLabels ?? {})),
  )
  const ofPolicies = derive<ConvertedPolicy, Authorization>(graph, {
    name: 'authorizations of policies',
    from: converted,
    keyOf: authorizationKey,
    derive: ({ authorization }) => some(authorization),
  })
  const byNamespace = indexBy(objects.peerAuthentications, 'peer authentications by namespace', ({ metadata }) => [
    metadata.namespace,
  ])
  const peerAuthenticationsFor = (namespace: string, fetch: Fetch) => ({
    root: fetch.by(byNamespace, settings.rootNamespace),
    namespace: fetch.by(byNamespace, namespace),
  })
  const ofPeerAuthentications = derive(graph, {
    name: 'authorizations of peer authentications',
    from: objects.peerAuthentications,
    keyOf: authorizationKey,
    derive: (policy, fetch) => {
      const others = peerAuthenticationsFor(policy.metadata.namespace, fetch)
      // The static policy is sent as soon as there is any PeerAuthentication at all.
      return [staticStrict(settings), ...some(convertPeerAuthentication(policy, others, settings))]
    },
  })
  return {
    authorizations: join(graph, 'authorizations', [ofPeerAuthentications, ofPolicies]),
    converted,
    peerAuthenticationsFor,
    attachedTo: ({ namespace, labels }, fetch) => {
      const keys = [...new Set([namespace, settings.rootNamespace])].flatMap((from) => labelKeys(from, labels))
      const selecting = keys
        .flatMap((key) => fetch.by(bySelector, key))
        .filter(({ policy }) => selects(policy.spec.selector?.matchLabels ?? {}, labels))
        .map(({ policy }) => objectKey(policy))
      const strict = peerAuthenticationKey(labels, peerAuthenticationsFor(namespace, fetch), settings)
      return [...selecting.sort(), ...some(strict)]
    },
  }
}

function authorizationKey({ namespace, name }: Authorization): string {
  return `${namespace}/${name}`
}
