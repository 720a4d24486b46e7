import { createPublicKey, type KeyObject } from 'node:crypto'
import { MeshError, reasonOf } from '#shared/errors'
import type { SpiffeId } from '#shared/model'
import {
  boolean,
  constructedTag,
  DerReader,
  encode,
  octetString,
  oid,
  oidText,
  sequence,
  set,
  tags,
  unsignedInteger,
} from './der.ts'
import { generateKey, type KeyStrength, keyStrength, privateKeyPemOf, readPublicKey } from './keys.ts'
import { oids } from './oids.ts'
import { pemBlocks, toPem } from './pem.ts'
import { signed, verifyDer } from './signature.ts'
import { encodeSubjectAltNames, parseSubjectAltNames, type SubjectAltName } from './subject-alt-names.ts'
import type { CertificateRequest } from './types.ts'

/** A request as a CA sees it: its signature has been checked, nothing else is to be believed. */
export interface ParsedCsr {
  readonly publicKey: KeyObject
  readonly strength: KeyStrength
  /** Contents of the subject, empty when there is none. */
  readonly hasSubject: boolean
  readonly subjectAltNames: readonly SubjectAltName[]
}

/** A request is about 400 bytes with a P-256 key and 2 KiB with RSA-4096. */
const MAX_CSR_BYTES = 16 * 1024

/**
 * A fresh P-256 key and the PKCS#10 request that Istio's CA expects: empty subject, one critical SAN of type URI,
 * no other extension, ECDSA with SHA-256 (hbone-and-ztunnel c).
 */
export function createCsr(id: SpiffeId): CertificateRequest {
  const key = generateKey('P-256')
  const san = sequence(
    oid(oids.subjectAltName),
    boolean(true),
    octetString(encodeSubjectAltNames([{ kind: 'uri', value: id }])),
  )
  const info = sequence(
    unsignedInteger(Buffer.of(0)),
    sequence(),
    createPublicKey(key).export({ format: 'der', type: 'spki' }),
    encode(constructedTag(0), sequence(oid(oids.extensionRequest), set(sequence(san)))),
  )
  return { privateKeyPem: privateKeyPemOf(key), csrPem: toPem('CERTIFICATE REQUEST', signed(info, key)) }
}

/**
 * Reads a request and checks that its own key signed it.
 *
 * @param csrPem as received, not yet trusted
 * @throws MeshError `CSR_INVALID` with the reason
 */
export function parseCsr(csrPem: string): ParsedCsr {
  if (csrPem.length > MAX_CSR_BYTES) throw invalid(`larger than ${MAX_CSR_BYTES} bytes`)
  try {
    const [der, ...more] = pemBlocks(csrPem, 'CERTIFICATE REQUEST')
    if (der === undefined || more.length > 0) throw invalid('not one PEM block CERTIFICATE REQUEST')
    return parseDer(der)
  } catch (error) {
    if (error instanceof MeshError && error.code === 'CSR_INVALID') throw error
    throw invalid(reasonOf(error), error)
  }
}

function parseDer(der: Uint8Array): ParsedCsr {
  const outer = new DerReader(der)
  const request = outer.enter(tags.sequence)
  outer.end()
  const info = request.read(tags.sequence)
  const algorithm = request.read(tags.sequence).whole
  const signature = request.read(tags.bitString).content
  request.end()

  const fields = new DerReader(info.content)
  fields.read(tags.integer)
  const subject = fields.read(tags.sequence)
  const publicKey = readPublicKey(fields.read(tags.sequence).whole)
  const attributes = fields.readIf(constructedTag(0))
  fields.end()

  if (signature[0] !== 0 || !verifyDer(info.whole, algorithm, signature.subarray(1), publicKey))
    throw invalid('its signature does not fit its key')
  return {
    publicKey,
    strength: keyStrength(publicKey),
    hasSubject: subject.content.length > 0,
    subjectAltNames: attributes === undefined ? [] : namesIn(new DerReader(attributes.content)),
  }
}

/** SANs of the first extensionRequest attribute (RFC 2985 §5.4.2). */
function namesIn(attributes: DerReader): SubjectAltName[] {
  while (!attributes.isDone) {
    const attribute = attributes.enter(tags.sequence)
    if (oidText(attribute.read(tags.oid).content) !== oids.extensionRequest) continue
    const extensions = attribute.enter(tags.set).enter(tags.sequence)
    while (!extensions.isDone) {
      const extension = extensions.enter(tags.sequence)
      const name = oidText(extension.read(tags.oid).content)
      extension.readIf(tags.boolean)
      const value = extension.read(tags.octetString).content
      if (name === oids.subjectAltName) return parseSubjectAltNames(value)
    }
  }
  return []
}

function invalid(reason: string, cause?: unknown): MeshError {
  return new MeshError('CSR_INVALID', `certificate request refused: ${reason}`, { cause })
}
