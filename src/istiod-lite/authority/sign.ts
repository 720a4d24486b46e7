import { createPublicKey } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { MeshError } from '#shared/errors'
import {
  type CertificateTemplate,
  readCertificates,
  type Signer,
  signCertificate,
  subjectAltNamesOf,
} from '#shared/pki'

/**
 * Signs, and then reads what was signed: a certificate that says anything else than its template never leaves.
 *
 * @returns the leaf as PEM
 * @throws MeshError `CERTIFICATE_INVALID` when the two differ, which is a bug
 */
export function signChecked(template: CertificateTemplate, signer: Signer): string {
  const pem = signCertificate(template, signer)
  const problem = differenceOf(pem, template, signer)
  if (problem !== undefined)
    throw new MeshError('CERTIFICATE_INVALID', `a signed certificate differs in its ${problem}`)
  return pem
}

function differenceOf(pem: string, template: CertificateTemplate, signer: Signer): string | undefined {
  const [certificate, ...more] = readCertificates(pem)
  if (certificate === undefined || more.length > 0) return 'number'
  if (!certificate.verify(createPublicKey(signer.privateKey))) return 'signature'
  if (!certificate.publicKey.equals(template.publicKey)) return 'key'
  if (certificate.ca !== (template.use.kind === 'authority')) return 'use'
  if (!isDeepStrictEqual(subjectAltNamesOf(certificate.raw), [...template.subjectAltNames])) return 'names'
  const isDated = (date: Date, atMs: number): boolean => date.getTime() === Math.floor(atMs / 1000) * 1000
  if (!isDated(certificate.validFromDate, template.notBeforeMs)) return 'start'
  return isDated(certificate.validToDate, template.notAfterMs) ? undefined : 'end'
}
