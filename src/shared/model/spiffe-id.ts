import { MeshError } from '#shared/errors'

declare const spiffeBrand: unique symbol

/** `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`, checked once by `parseSpiffeId` or `spiffeId`. */
export type SpiffeId = string & { readonly [spiffeBrand]: true }

export interface SpiffeParts {
  readonly trustDomain: string
  readonly namespace: string
  readonly serviceAccount: string
}

const PREFIX = 'spiffe://'

/** Strict like Istio's ztunnel: exactly five segments; undefined for anything else. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  return splitSpiffe(text) === undefined ? undefined : (text as SpiffeId)
}

/** @throws MeshError `SPIFFE_ID_INVALID` when a part is empty or holds a slash. */
export function spiffeId(parts: SpiffeParts): SpiffeId {
  const text = `${PREFIX}${parts.trustDomain}/ns/${parts.namespace}/sa/${parts.serviceAccount}`
  const id = parseSpiffeId(text)
  if (id === undefined)
    throw new MeshError('SPIFFE_ID_INVALID', `not a SPIFFE id: ${JSON.stringify(text.slice(0, 256))}`)
  return id
}

/** The parts of an id that was parsed before. */
export function spiffeParts(id: SpiffeId): SpiffeParts {
  const parts = splitSpiffe(id)
  if (parts === undefined) throw new MeshError('SPIFFE_ID_INVALID', `not a SPIFFE id: ${JSON.stringify(id)}`)
  return parts
}

function splitSpiffe(text: string): SpiffeParts | undefined {
  if (!text.startsWith(PREFIX) || text.length > 2048) return undefined
  const [trustDomain, ns, namespace, sa, serviceAccount, ...rest] = text.slice(PREFIX.length).split('/')
  if (ns !== 'ns' || sa !== 'sa' || rest.length > 0) return undefined
  if (!trustDomain || !namespace || !serviceAccount) return undefined
  return { trustDomain, namespace, serviceAccount }
}
