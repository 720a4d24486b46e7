import { MeshError } from '#shared/errors'
import { type IpAddress, ipFromBytes, ipToBytes } from '#shared/net'
import { DerReader, encode, primitiveTag, sequence, tags } from './der.ts'

/** One GeneralName (RFC 5280 §4.2.1.6); kinds that the mesh does not read are kept by their tag alone. */
export type SubjectAltName =
  | { readonly kind: 'uri'; readonly value: string }
  | { readonly kind: 'dns'; readonly value: string }
  | { readonly kind: 'ip'; readonly value: IpAddress }
  | { readonly kind: 'other'; readonly tag: number }

const uriTag = primitiveTag(6)
const dnsTag = primitiveTag(2)
const ipTag = primitiveTag(7)

/** More names than any certificate of a mesh has; a hostile one is refused before memory is spent on it. */
const MAX_NAMES = 1024

/**
 * Reads the contents of a SubjectAltName extension. Names are taken from their bytes, never from a text in which
 * several names are joined: commas, quotes and line ends inside a name stay part of it (CVE-2021-44531 to 44533).
 * A URI or DNS name with a byte outside visible ASCII is no name and comes back as `other`.
 */
export function parseSubjectAltNames(der: Uint8Array): SubjectAltName[] {
  const outer = new DerReader(der)
  const reader = outer.enter(tags.sequence)
  outer.end()
  const names: SubjectAltName[] = []
  while (!reader.isDone) {
    if (names.length === MAX_NAMES)
      throw new MeshError('CERTIFICATE_INVALID', `more than ${MAX_NAMES} subject alternative names`)
    const { tag, content } = reader.read()
    names.push(readName(tag, content))
  }
  return names
}

/** The extension's contents for names of the kinds that can be written. */
export function encodeSubjectAltNames(names: readonly SubjectAltName[]): Buffer {
  return sequence(
    ...names.map((name) => {
      if (name.kind === 'other') throw new MeshError('CERTIFICATE_INVALID', `cannot write a name of tag ${name.tag}`)
      if (name.kind === 'ip') return encode(ipTag, ipToBytes(name.value))
      const bytes = Buffer.from(name.value, 'latin1')
      if (!isVisibleAscii(bytes) || bytes.toString('latin1') !== name.value)
        throw new MeshError('CERTIFICATE_INVALID', `not an IA5 name: ${JSON.stringify(name.value.slice(0, 128))}`)
      return encode(name.kind === 'uri' ? uriTag : dnsTag, bytes)
    }),
  )
}

function readName(tag: number, content: Uint8Array): SubjectAltName {
  if (tag === uriTag || tag === dnsTag) {
    if (!isVisibleAscii(content)) return { kind: 'other', tag }
    return { kind: tag === uriTag ? 'uri' : 'dns', value: Buffer.from(content).toString('latin1') }
  }
  if (tag === ipTag) {
    const ip = ipFromBytes(content)
    return ip === undefined ? { kind: 'other', tag } : { kind: 'ip', value: ip }
  }
  return { kind: 'other', tag }
}

function isVisibleAscii(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.every((byte) => byte > 0x20 && byte < 0x7f)
}
