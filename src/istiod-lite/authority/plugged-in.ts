import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '#shared/errors'
import type { KubeClient } from '#shared/kube-client'
import { spiffeId } from '#shared/model'
import { createCsr, parseCsr, parseIdentity, readCertificates, readRevocationLists, verifyIdentity } from '#shared/pki'
import type { CaDocument } from './ca-document.ts'
import { type Material, readIssuer, requireValid } from './material.ts'
import { SECRETS, secretTexts } from './secret-store.ts'
import { signChecked } from './sign.ts'

/** Istio's name for a CA that the user brings. */
export const PLUGGED_IN_SECRET = 'cacerts'

const FILES = [
  'ca-cert.pem',
  'ca-key.pem',
  'cert-chain.pem',
  'root-cert.pem',
  'ca-crl.pem',
  'tls.crt',
  'tls.key',
  'ca.crt',
]
const MAX_FILE_BYTES = 16 << 20
const TRIAL_LIFE_MS = 3_600_000
const TRIAL_BACKDATE_MS = 60_000

/** What a user plugs in. */
export interface PluggedIn {
  readonly material: Material
  /** Certificates that the CA has taken back; undefined: it says nothing. */
  readonly crlPem: string | undefined
}

/** Reads what is plugged in now; undefined: nothing is. */
export type ReadPluggedIn = () => Promise<CaDocument | undefined>

/** @throws MeshError when the API does not answer */
export function pluggedInSecret(client: Pick<KubeClient, 'get'>, namespace: string): ReadPluggedIn {
  return async () => {
    const secret = await client.get(SECRETS, { namespace, name: PLUGGED_IN_SECRET })
    return secret === undefined ? undefined : secretTexts(secret, `Secret ${namespace}/${PLUGGED_IN_SECRET}`)
  }
}

/** A folder, as a mounted Secret is one. A folder without any of the files counts as nothing. */
export function pluggedInFolder(dir: string): ReadPluggedIn {
  return async () => {
    const texts: Record<string, string> = {}
    for (const name of FILES) {
      const file = join(dir, name)
      if (!existsSync(file)) continue
      if (statSync(file).size > MAX_FILE_BYTES) throw new MeshError('CONFIG_INVALID', `${file} is too large`)
      texts[name] = readFileSync(file, 'utf8')
    }
    return Object.keys(texts).length === 0 ? undefined : texts
  }
}

/**
 * Reads a CA in one of both spellings (istio-control-plane e) and tries it: a certificate is signed with it, and a
 * hand-shake made in which a client verifies that certificate, as tunnels would.
 *
 * @throws MeshError `CERTIFICATE_INVALID` or `CRL_INVALID` with what is wrong
 */
export async function readPluggedIn(texts: CaDocument, trustDomain: string, nowMs: number): Promise<PluggedIn> {
  const isTls = texts['tls.crt'] !== undefined && texts['ca-cert.pem'] === undefined
  const names = isTls
    ? (['tls.crt', 'tls.key', 'tls.crt', 'ca.crt'] as const)
    : (['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem'] as const)
  const [certPem, keyPem, chainPem, rootsPem] = names.map((name) => {
    const text = texts[name]
    if (text !== undefined || name === 'cert-chain.pem') return text ?? ''
    throw new MeshError('CERTIFICATE_INVALID', `the CA cannot be used: ${name} is missing`)
  }) as [string, string, string, string]
  const [first] = readCertificates(certPem)
  const material: Material = {
    origin: 'plugged-in',
    certPem: first?.toString() ?? certPem,
    keyPem,
    chainPem: [...readCertificates(certPem).slice(1), ...readCertificates(chainPem)].map(String).join(''),
    rootsPem,
  }
  const crlPem = texts['ca-crl.pem']
  if (crlPem !== undefined) readRevocationLists(Buffer.from(crlPem))
  requireValid(readIssuer(material), nowMs)
  await tryOut(material, trustDomain, nowMs)
  return { material, crlPem }
}

async function tryOut(material: Material, trustDomain: string, nowMs: number): Promise<void> {
  const { signer, chainPems, notAfterMs } = readIssuer(material)
  const id = spiffeId({ trustDomain, namespace: 'istio-system', serviceAccount: 'ambit-trial' })
  const { csrPem, privateKeyPem } = createCsr(id)
  const leafPem = signChecked(
    {
      publicKey: parseCsr(csrPem).publicKey,
      subject: {},
      subjectAltNames: [{ kind: 'uri', value: id }],
      notBeforeMs: nowMs - TRIAL_BACKDATE_MS,
      notAfterMs: Math.min(nowMs + TRIAL_LIFE_MS, notAfterMs),
      use: { kind: 'leaf' },
    },
    signer,
  )
  const identity = parseIdentity(id, privateKeyPem, [leafPem, ...chainPems, material.rootsPem], nowMs)
  const problem = await verifyIdentity(identity)
  if (problem !== undefined)
    throw new MeshError('CERTIFICATE_INVALID', `the CA cannot be used: what it signs is not accepted: ${problem}`)
}
