import { createHash, type KeyObject, randomBytes } from 'node:crypto'
import { MeshError } from '#shared/errors'
import { readCertificates, readFields } from './certificate.ts'
import {
  bitString,
  boolean,
  constructedTag,
  DerReader,
  encode,
  octetString,
  oid,
  primitiveTag,
  sequence,
  set,
  tags,
  time,
  unsignedInteger,
  utf8String,
} from './der.ts'
import { oids } from './oids.ts'
import { toPem } from './pem.ts'
import { signatureAlgorithm, signed } from './signature.ts'
import { encodeSubjectAltNames, type SubjectAltName } from './subject-alt-names.ts'

/** What a certificate shall say. Times are cut to whole seconds. */
export interface CertificateTemplate {
  readonly publicKey: KeyObject
  readonly subject: { readonly commonName?: string; readonly organization?: string }
  readonly subjectAltNames: readonly SubjectAltName[]
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** `leaf`: both ends of TLS. `authority`: signs others, with at most `maxPathLength` authorities below it. */
  readonly use: { readonly kind: 'leaf' } | { readonly kind: 'authority'; readonly maxPathLength: number | undefined }
}

/** Who signs: the key with its certificate, or with none for a root, which signs itself. */
export interface Signer {
  readonly privateKey: KeyObject
  readonly certificatePem: string | undefined
}

/** Bits from the left: digitalSignature 0, keyEncipherment 2, keyCertSign 5, cRLSign 6 (RFC 5280 §4.2.1.3). */
const LEAF_KEY_USAGE = bitString(Buffer.of(0b1010_0000), 5)
const AUTHORITY_KEY_USAGE = bitString(Buffer.of(0b0000_0110), 1)
const SERIAL_BYTES = 16

/**
 * Signs what the template says, with a random serial number of 128 bits.
 *
 * @returns PEM
 * @throws MeshError `CERTIFICATE_INVALID` when a name cannot be written or the signer's certificate not be read
 */
export function signCertificate(template: CertificateTemplate, signer: Signer): string {
  const subject = nameOf(template.subject)
  const spki = template.publicKey.export({ format: 'der', type: 'spki' })
  const issuer = issuerOf(signer, subject, spki)
  const toBeSigned = sequence(
    encode(constructedTag(0), unsignedInteger(Buffer.of(2))), // version 3
    unsignedInteger(serialNumber()),
    signatureAlgorithm(signer.privateKey),
    issuer.nameDer,
    sequence(time(template.notBeforeMs), time(template.notAfterMs)),
    subject,
    spki,
    encode(constructedTag(3), sequence(...extensionsOf(template, keyIdentifier(spki), issuer.keyIdentifier))),
  )
  return toPem('CERTIFICATE', signed(toBeSigned, signer.privateKey))
}

function extensionsOf(template: CertificateTemplate, ownKeyId: Uint8Array, issuerKeyId: Uint8Array): Buffer[] {
  const { use } = template
  const isEmptySubject = Object.values(template.subject).every((value) => value === undefined)
  const pathLength =
    use.kind === 'authority' && use.maxPathLength !== undefined ? [unsignedInteger(Buffer.of(use.maxPathLength))] : []
  const extensions = [
    extension(oids.basicConstraints, true, use.kind === 'leaf' ? sequence() : sequence(boolean(true), ...pathLength)),
    extension(oids.keyUsage, true, use.kind === 'leaf' ? LEAF_KEY_USAGE : AUTHORITY_KEY_USAGE),
    extension(oids.subjectKeyIdentifier, false, octetString(ownKeyId)),
    extension(oids.authorityKeyIdentifier, false, sequence(encode(primitiveTag(0), issuerKeyId))),
  ]
  if (use.kind === 'leaf')
    extensions.push(extension(oids.extendedKeyUsage, false, sequence(oid(oids.serverAuth), oid(oids.clientAuth))))
  if (template.subjectAltNames.length > 0)
    extensions.push(extension(oids.subjectAltName, isEmptySubject, encodeSubjectAltNames(template.subjectAltNames)))
  return extensions
}

/** `critical` is left out when false, as DER wants of a default. */
function extension(name: string, critical: boolean, value: Uint8Array): Buffer {
  return sequence(oid(name), ...(critical ? [boolean(true)] : []), octetString(value))
}

function nameOf(subject: CertificateTemplate['subject']): Buffer {
  const parts: [string, string | undefined][] = [
    [oids.organization, subject.organization],
    [oids.commonName, subject.commonName],
  ]
  return sequence(
    ...parts.flatMap(([type, value]) => (value === undefined ? [] : [set(sequence(oid(type), utf8String(value)))])),
  )
}

function issuerOf(
  signer: Signer,
  subject: Uint8Array,
  spki: Uint8Array,
): { readonly nameDer: Uint8Array; readonly keyIdentifier: Uint8Array } {
  if (signer.certificatePem === undefined) return { nameDer: subject, keyIdentifier: keyIdentifier(spki) }
  const [certificate] = readCertificates(signer.certificatePem)
  if (certificate === undefined) throw new MeshError('CERTIFICATE_INVALID', "the signer's certificate is missing")
  if (!certificate.checkPrivateKey(signer.privateKey))
    throw new MeshError('CERTIFICATE_INVALID', "the signer's certificate is for another key")
  const fields = readFields(certificate.raw)
  const own = fields.extensions.get(oids.subjectKeyIdentifier)
  return {
    nameDer: fields.subjectDer,
    keyIdentifier:
      own === undefined ? keyIdentifier(fields.publicKeyDer) : new DerReader(own).read(tags.octetString).content,
  }
}

/** SHA-1 over the bits of the public key, a name and no protection (RFC 5280 §4.2.1.2, method 1). */
function keyIdentifier(spki: Uint8Array): Buffer {
  const fields = new DerReader(spki).enter(tags.sequence)
  fields.read(tags.sequence)
  const bits = fields.read(tags.bitString).content.subarray(1)
  return createHash('sha1').update(bits).digest()
}

/** Positive and never zero (RFC 5280 §4.1.2.2): the highest bit but one is set, so that every one is as long. */
function serialNumber(): Buffer {
  const bytes = randomBytes(SERIAL_BYTES)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}
