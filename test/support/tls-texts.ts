import { type SpiffeId, spiffeId } from '#shared/model'
import { createCsr } from '#shared/pki'
import type { IssueSettings, MemoryCa } from './memory-ca.ts'

/** What node:tls and node:http2 take as options. */
export interface TlsTexts {
  readonly key: string
  readonly cert: string
  readonly ca: string
}

/** Key, chain and root of an identity as text, for peers that are not ours. @param identity `namespace/account` */
export function tlsTextsOf(ca: MemoryCa, identity: string | SpiffeId, settings: IssueSettings = {}): TlsTexts {
  const [namespace = '', serviceAccount = ''] = identity.split('/')
  const id = identity.startsWith('spiffe:')
    ? (identity as SpiffeId)
    : spiffeId({ trustDomain: ca.trustDomain, namespace, serviceAccount })
  const { privateKeyPem, csrPem } = createCsr(id)
  const chain = ca.certify(csrPem, id, settings)
  return { key: privateKeyPem, cert: chain.slice(0, -1).join(''), ca: chain.at(-1) ?? '' }
}
