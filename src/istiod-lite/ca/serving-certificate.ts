import { createPublicKey } from 'node:crypto'
import type { Clock, Timer } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import type { IpAddress } from '#shared/net'
import { generateKey, privateKeyPemOf, type SubjectAltName } from '#shared/pki'
import type { ServerKeyPair } from '#shared/xds'
import { type Authority, type AuthorityKeeper, signChecked } from '../authority/index.ts'

export interface ServingNames {
  readonly dnsNames: readonly string[]
  readonly addresses: readonly IpAddress[]
}

const LIFE_MS = 24 * 3_600_000
const BACKDATE_MS = 120_000
/** Near the root's own end there is nothing to gain by renewing more often. */
const SHORTEST_WAIT_MS = 60_000

/** The control plane's own certificate, of its own CA, under a fresh key. */
export function servingCertificate(authority: Authority, names: ServingNames, nowMs: number): ServerKeyPair {
  const key = generateKey('P-256')
  const subjectAltNames: readonly SubjectAltName[] = [
    ...names.dnsNames.map((value): SubjectAltName => ({ kind: 'dns', value })),
    ...names.addresses.map((value): SubjectAltName => ({ kind: 'ip', value })),
  ]
  const certPem = signChecked(
    {
      publicKey: createPublicKey(key),
      subject: {},
      subjectAltNames,
      notBeforeMs: nowMs - BACKDATE_MS,
      notAfterMs: Math.min(nowMs + LIFE_MS, authority.notAfterMs),
      use: { kind: 'leaf' },
    },
    authority.signer,
  )
  return { keyPem: privateKeyPemOf(key), certPem: [certPem, ...authority.chainPems].join('') }
}

/** Hands over a new certificate at half of each one's life, and whenever another CA signs, until closed. */
export function keepServing(
  authority: Pick<AuthorityKeeper, 'current' | 'onChange'>,
  names: ServingNames,
  clock: Clock,
  renew: (pair: ServerKeyPair) => void,
): Closer {
  let timer: Timer | undefined
  let { signer } = authority.current
  const wait = (): void => {
    timer?.cancel()
    const lifeMs = Math.min(LIFE_MS, authority.current.notAfterMs - clock.nowMs())
    timer = clock.setTimer(Math.max(lifeMs / 2, SHORTEST_WAIT_MS), serve)
  }
  const serve = (): void => {
    signer = authority.current.signer
    renew(servingCertificate(authority.current, names, clock.nowMs()))
    wait()
  }
  wait()
  const unsubscribe = authority.onChange(() => {
    if (authority.current.signer.certificatePem !== signer.certificatePem) serve()
  })
  return {
    close: async () => {
      unsubscribe()
      timer?.cancel()
    },
  }
}
