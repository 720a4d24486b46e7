import { createPublicKey, type KeyObject } from 'node:crypto'
import { MeshError, reasonOf } from '#shared/errors'
import { constructedTag, DerReader, type DerValue, oidText, readTime, tags } from './der.ts'
import { pemBlocks } from './pem.ts'
import { verifyDer } from './signature.ts'

/** A list of one authority: which of its certificates it has taken back (RFC 5280 §5). */
export interface RevocationList {
  /** Name of the authority, as bytes in hex. */
  readonly issuer: string
  readonly thisUpdateMs: number
  readonly nextUpdateMs: number | undefined
  /** Serial numbers, as bytes in hex. */
  readonly serials: ReadonlySet<string>
  /** Whether the list was signed by that key. */
  isSignedBy(publicKeyDer: Uint8Array): boolean
}

/** What a length of three bytes can say; some 400,000 revoked certificates. */
const MAX_CRL_BYTES = 2 ** 24 - 1
/** More than there are authorities. */
const MAX_LISTS = 256
/** More would need the whole file's room several times over. */
const MAX_SERIALS = 500_000

/**
 * Every list of a file: PEM blocks `X509 CRL`, or DER, one after the other.
 *
 * A list with a critical extension is refused, of which there are two in use: one says that the list is only a change of
 * another, the other that it covers only some certificates. To take such a list for a whole one would be worse than none.
 *
 * @param bytes of the file, not trusted
 * @throws MeshError `CRL_INVALID` with what cannot be read
 */
export function readRevocationLists(bytes: Buffer): readonly RevocationList[] {
  if (bytes.length > MAX_CRL_BYTES) throw invalid(`larger than ${MAX_CRL_BYTES} bytes`)
  try {
    const lists = dersOf(bytes).map(readList)
    if (lists.length === 0) throw invalid('no list in it')
    return lists
  } catch (error) {
    if (error instanceof MeshError && error.code === 'CRL_INVALID') throw error
    throw invalid(reasonOf(error), error)
  }
}

function dersOf(bytes: Buffer): Uint8Array[] {
  if (bytes.includes('-----BEGIN ')) return pemBlocks(bytes.toString('latin1'), 'X509 CRL', MAX_CRL_BYTES)
  const file = new DerReader(bytes)
  const ders: Uint8Array[] = []
  while (!file.isDone) {
    if (ders.length === MAX_LISTS) throw invalid(`more than ${MAX_LISTS} lists`)
    ders.push(file.read(tags.sequence).whole)
  }
  return ders
}

function readList(der: Uint8Array): RevocationList {
  const outer = new DerReader(der)
  const list = outer.enter(tags.sequence)
  outer.end()
  const toBeSigned = list.read(tags.sequence)
  const algorithm = list.read(tags.sequence).whole
  const signature = list.read(tags.bitString).content
  list.end()
  if (signature[0] !== 0) throw invalid('a signature of broken bytes')

  const fields = new DerReader(toBeSigned.content)
  fields.readIf(tags.integer) // version
  if (!same(fields.read(tags.sequence).whole, algorithm)) throw invalid('two signature algorithms')
  const issuer = hex(fields.read(tags.sequence).whole)
  const thisUpdateMs = readTime(fields.read())
  const isTimeNext = fields.nextTag === tags.utcTime || fields.nextTag === tags.generalizedTime
  const nextUpdateMs = isTimeNext ? readTime(fields.read()) : undefined
  const revoked = fields.readIf(tags.sequence)
  const extensions = fields.readIf(constructedTag(0))
  fields.end()
  if (extensions !== undefined) {
    const wrapper = new DerReader(extensions.content)
    refuseCritical(wrapper.read(tags.sequence))
    wrapper.end()
  }
  const keys = new Map<string, boolean>()
  return {
    issuer,
    thisUpdateMs,
    nextUpdateMs,
    serials: revoked === undefined ? new Set() : serialsOf(revoked),
    isSignedBy: (publicKeyDer) => {
      const id = hex(publicKeyDer)
      const known = keys.get(id)
      if (known !== undefined) return known
      const key = publicKeyOf(publicKeyDer)
      const isSigned = key !== undefined && verifyDer(toBeSigned.whole, algorithm, signature.subarray(1), key)
      if (keys.size < MAX_LISTS) keys.set(id, isSigned)
      return isSigned
    },
  }
}

function serialsOf(revoked: DerValue): ReadonlySet<string> {
  const serials = new Set<string>()
  const entries = new DerReader(revoked.content)
  while (!entries.isDone) {
    if (serials.size === MAX_SERIALS) throw invalid(`more than ${MAX_SERIALS} certificates`)
    const entry = entries.enter(tags.sequence)
    serials.add(hex(entry.read(tags.integer).content))
    readTime(entry.read())
    const extensions = entry.readIf(tags.sequence)
    entry.end()
    if (extensions !== undefined) refuseCritical(extensions)
  }
  return serials
}

function refuseCritical(extensions: DerValue): void {
  const list = new DerReader(extensions.content)
  while (!list.isDone) {
    const extension = list.enter(tags.sequence)
    const name = oidText(extension.read(tags.oid).content)
    const critical = extension.readIf(tags.boolean)
    extension.read(tags.octetString)
    extension.end()
    if (critical !== undefined && critical.content[0] !== 0) throw invalid(`critical extension ${name} is not known`)
  }
}

function publicKeyOf(der: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
  } catch {
    return undefined // of a kind that OpenSSL does not know: it has signed nothing that we could check
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

function invalid(problem: string, cause?: unknown): MeshError {
  return new MeshError('CRL_INVALID', `revocation list refused: ${problem}`, { cause })
}
