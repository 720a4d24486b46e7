import { X509Certificate } from 'node:crypto'
import { MeshError } from '#shared/errors'
import { parseSpiffeId, type SpiffeId } from '#shared/model'
import { constructedTag, DerReader, oidText, tags } from './der.ts'
import { oids } from './oids.ts'
import { pemBlocks, toPem } from './pem.ts'
import { parseSubjectAltNames, type SubjectAltName } from './subject-alt-names.ts'
import type { CertificateFacts } from './types.ts'

/** Every certificate of a PEM text, in order. @throws MeshError `CERTIFICATE_INVALID` */
export function readCertificates(pem: string): X509Certificate[] {
  return pemBlocks(pem, 'CERTIFICATE').map((der) => {
    try {
      return new X509Certificate(der)
    } catch (cause) {
      throw new MeshError('CERTIFICATE_INVALID', 'a certificate cannot be read', { cause })
    }
  })
}

export function certificateFacts(certificate: X509Certificate): CertificateFacts {
  return {
    pem: toPem('CERTIFICATE', certificate.raw),
    serialNumber: BigInt(`0x${certificate.serialNumber}`).toString(),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  }
}

/** The fields of a TBSCertificate that are read by their bytes (RFC 5280 §4.1). */
export interface CertificateFields {
  /** Serial number, and names of issuer and subject: the bytes in hex, as they are compared. */
  readonly serial: string
  readonly issuer: string
  readonly subject: string
  /** The whole Name, for use as another certificate's issuer. */
  readonly subjectDer: Uint8Array
  readonly publicKeyDer: Uint8Array
  /** Contents of an extension's octet string, by OID. */
  readonly extensions: ReadonlyMap<string, Uint8Array>
}

/** @throws MeshError `CERTIFICATE_INVALID` when the bytes are no certificate, or an extension stands in it twice */
export function readFields(certificateDer: Uint8Array): CertificateFields {
  const fields = new DerReader(certificateDer).enter(tags.sequence).enter(tags.sequence)
  fields.readIf(constructedTag(0)) // version
  const serial = hex(fields.read(tags.integer).content)
  fields.read(tags.sequence) // signature algorithm
  const issuer = hex(fields.read(tags.sequence).whole)
  fields.read(tags.sequence) // validity
  const subjectDer = fields.read(tags.sequence).whole
  const publicKeyDer = fields.read(tags.sequence).whole
  const extensions = new Map<string, Uint8Array>()
  while (!fields.isDone) {
    const field = fields.read()
    if (field.tag !== constructedTag(3)) continue
    const list = new DerReader(field.content).enter(tags.sequence)
    while (!list.isDone) {
      const extension = list.enter(tags.sequence)
      const name = oidText(extension.read(tags.oid).content)
      extension.readIf(tags.boolean) // critical
      if (extensions.has(name)) throw new MeshError('CERTIFICATE_INVALID', `extension ${name} stands twice`)
      extensions.set(name, extension.read(tags.octetString).content)
    }
  }
  return { serial, issuer, subject: hex(subjectDer), subjectDer, publicKeyDer, extensions }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Bits of a key's use that belong to an authority: keyCertSign (5) and cRLSign (6), counted from the left. */
const SIGNING_USES = 0b0000_0110

/**
 * Whether it says that its key may sign other certificates or revocation lists. Such a certificate identifies nobody
 * (SPIFFE X509-SVID §5.2): whoever holds an authority's key would be every workload at once.
 *
 * @throws MeshError `CERTIFICATE_INVALID`
 */
function isAuthority({ extensions }: CertificateFields): boolean {
  const constraints = extensions.get(oids.basicConstraints)
  if (constraints !== undefined) {
    const flag = new DerReader(constraints).enter(tags.sequence).readIf(tags.boolean)
    if (flag?.content.some((byte) => byte !== 0)) return true
  }
  const use = extensions.get(oids.keyUsage)
  if (use === undefined) return false
  const [, bits = 0] = new DerReader(use).read(tags.bitString).content
  return (bits & SIGNING_USES) !== 0
}

/** Subject alternative names in order; empty when there are none. @throws MeshError `CERTIFICATE_INVALID` */
export function subjectAltNamesOf(certificateDer: Uint8Array): SubjectAltName[] {
  return namesOf(readFields(certificateDer))
}

function namesOf({ extensions }: CertificateFields): SubjectAltName[] {
  const extension = extensions.get(oids.subjectAltName)
  return extension === undefined ? [] : parseSubjectAltNames(extension)
}

/**
 * The SPIFFE ids among the URI names of a leaf, in order; an authority's certificate has none.
 *
 * @throws MeshError `CERTIFICATE_INVALID`
 */
export function spiffeIdsOf(certificateDer: Uint8Array): SpiffeId[] {
  const fields = readFields(certificateDer)
  if (isAuthority(fields)) return []
  return namesOf(fields).flatMap((name) => (name.kind === 'uri' ? (parseSpiffeId(name.value) ?? []) : []))
}
