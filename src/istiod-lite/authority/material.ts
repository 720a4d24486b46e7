import { createHash, createPublicKey, type X509Certificate } from 'node:crypto'
import { MeshError } from '#shared/errors'
import {
  generateKey,
  isStrong,
  keyStrength,
  privateKeyPemOf,
  readCertificates,
  readPrivateKey,
  type Signer,
} from '#shared/pki'
import { signChecked } from './sign.ts'

/** A CA as it is kept: everything that its successor, or another replica, needs to go on signing with it. */
export interface Material {
  readonly origin: 'self-signed' | 'plugged-in'
  readonly certPem: string
  readonly keyPem: string
  /** Authorities between `certPem` and the roots, in any order; may repeat it, and the roots. */
  readonly chainPem: string
  /** What peers shall trust; one of them vouches for `certPem`, or is it. */
  readonly rootsPem: string
}

/** A CA that can sign. */
export interface Issuer {
  readonly signer: Signer
  /** What goes with a leaf: the signing certificate first, no root. */
  readonly chainPems: readonly string[]
  readonly certificate: X509Certificate
  /** The root that vouches for it. */
  readonly root: X509Certificate
  /** The time in which every certificate of its chain is valid. */
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** More than any chain has. */
const MAX_CHAIN = 8
/** Clocks of nodes that are behind ours take a fresh root too. */
const BACKDATE_MS = 120_000

/**
 * Reads a CA and checks that its parts belong together: key and certificate, certificate and chain, chain and root. That
 * it is valid now is not asked here: what has been in use must still be readable when its time is over.
 *
 * @throws MeshError `CERTIFICATE_INVALID` with what does not fit; nothing of a key is ever in the message
 */
export function readIssuer(material: Material): Issuer {
  const privateKey = readPrivateKey(material.keyPem)
  if (!isStrong(keyStrength(privateKey))) throw invalid('the key must be P-256, P-384 or RSA of 2048 bits or more')
  const [certificate, ...below] = readCertificates(material.certPem)
  if (certificate === undefined) throw invalid('there is no CA certificate')
  const roots = readCertificates(material.rootsPem)
  if (roots.length === 0) throw invalid('there is no root certificate')
  if (!certificate.checkPrivateKey(privateKey)) throw invalid('the CA certificate is for another key')
  const path = pathToRoot(certificate, [...below, ...readCertificates(material.chainPem)], roots)
  for (const each of path) if (!each.ca) throw invalid(`${named(each)} is no CA certificate`)
  const root = path.at(-1) ?? certificate
  return {
    signer: { privateKey, certificatePem: certificate.toString() },
    chainPems: path.slice(0, -1).map((each) => each.toString()),
    certificate,
    root,
    notBeforeMs: Math.max(...path.map((each) => each.validFromDate.getTime())),
    notAfterMs: Math.min(...path.map((each) => each.validToDate.getTime())),
  }
}

/** @throws MeshError `CERTIFICATE_INVALID` when it has expired, or is not valid yet */
export function requireValid({ notBeforeMs, notAfterMs }: Issuer, nowMs: number): void {
  if (notAfterMs <= nowMs) throw invalid(`it expired at ${new Date(notAfterMs).toISOString()}`)
  if (notBeforeMs > nowMs) throw invalid(`it is not valid before ${new Date(notBeforeMs).toISOString()}`)
}

/** A new CA: one P-256 key, and its root. */
export function makeSelfSigned(trustDomain: string, lifeMs: number, nowMs: number): Material {
  const key = generateKey('P-256')
  const publicKey = createPublicKey(key)
  // Two roots of one mesh have two names, so that whoever looks for an issuer by name finds one.
  const tag = createHash('sha256')
    .update(publicKey.export({ format: 'der', type: 'spki' }))
    .digest('hex')
    .slice(0, 8)
  const certPem = signChecked(
    {
      publicKey,
      subject: { organization: trustDomain, commonName: `Ambit root CA ${tag}` },
      subjectAltNames: [],
      notBeforeMs: nowMs - BACKDATE_MS,
      notAfterMs: nowMs + lifeMs,
      use: { kind: 'authority', maxPathLength: undefined },
    },
    { privateKey: key, certificatePem: undefined },
  )
  return { origin: 'self-signed', certPem, keyPem: privateKeyPemOf(key), chainPem: '', rootsPem: certPem }
}

/** SHA-256 of the certificate, in hex: how a root is called. */
export function fingerprintOf(certificate: X509Certificate): string {
  return createHash('sha256').update(certificate.raw).digest('hex')
}

/** Fingerprints of a bundle, in order, each once. */
export function rootNames(rootsPem: string): readonly string[] {
  return [...new Set(readCertificates(rootsPem).map(fingerprintOf))]
}

/** All certificates of several bundles, in order, each once. */
export function joinRoots(...bundles: readonly string[]): string {
  const found = new Map<string, string>()
  for (const certificate of bundles.flatMap(readCertificates)) {
    const name = fingerprintOf(certificate)
    if (!found.has(name)) found.set(name, certificate.toString())
  }
  return [...found.values()].join('')
}

/** Whether everything that the one vouches for is trusted by who has the other. */
export function isWithin(rootsPem: string, bundlePem: string): boolean {
  const known = new Set(rootNames(bundlePem))
  return rootNames(rootsPem).every((name) => known.has(name))
}

/** Whether both sign with the same certificate and are trusted by the same roots. */
export function isSameMaterial(a: Material, b: Material): boolean {
  if (a.certPem === b.certPem && a.rootsPem === b.rootsPem && a.chainPem === b.chainPem) return true
  const first = (pem: string): string | undefined => rootNames(pem)[0]
  return (
    first(a.certPem) === first(b.certPem) &&
    isWithin(a.rootsPem, b.rootsPem) &&
    isWithin(b.rootsPem, a.rootsPem) &&
    rootNames(a.chainPem).join() === rootNames(b.chainPem).join()
  )
}

/** From the signing certificate to the root that vouches for it; one element when it is the root. */
function pathToRoot(
  certificate: X509Certificate,
  pool: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): readonly X509Certificate[] {
  const path = [certificate]
  for (let last = certificate; path.length <= MAX_CHAIN; ) {
    if (roots.some((root) => root.raw.equals(last.raw))) return path
    const root = roots.find((each) => isIssuedBy(last, each))
    if (root !== undefined) return [...path, root]
    const issuer = pool.find((each) => !each.raw.equals(last.raw) && isIssuedBy(last, each))
    if (issuer === undefined) throw invalid(`nothing in the chain or among the roots has signed ${named(last)}`)
    path.push(issuer)
    last = issuer
  }
  throw invalid(`the chain is longer than ${MAX_CHAIN}`)
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

function named(certificate: X509Certificate): string {
  return JSON.stringify((certificate.subject ?? '').replaceAll('\n', ', ').slice(0, 256))
}

function invalid(problem: string): MeshError {
  return new MeshError('CERTIFICATE_INVALID', `the CA cannot be used: ${problem}`)
}
