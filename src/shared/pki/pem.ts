import { MeshError } from '#shared/errors'

/** More than any chain or root bundle holds. */
const MAX_PEM_CHARS = 1 << 20
const MAX_BLOCKS = 256
const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----/g

/** One armoured block; text around blocks is ignored (RFC 7468 §2). */
interface PemBlock {
  readonly label: string
  readonly der: Buffer
}

/**
 * The blocks of that label, in order.
 *
 * @throws MeshError `CERTIFICATE_INVALID` when the text is longer than that, or holds more than 256 blocks
 */
export function pemBlocks(text: string, label: string, maxChars: number = MAX_PEM_CHARS): Buffer[] {
  if (text.length > maxChars) throw new MeshError('CERTIFICATE_INVALID', `PEM text is longer than ${maxChars}`)
  const found: PemBlock[] = []
  for (const [, name = '', base64 = ''] of text.matchAll(BLOCK)) {
    if (found.length === MAX_BLOCKS) throw new MeshError('CERTIFICATE_INVALID', `more than ${MAX_BLOCKS} PEM blocks`)
    found.push({ label: name, der: Buffer.from(base64, 'base64') })
  }
  return found.filter((block) => block.label === label).map((block) => block.der)
}

/** PEM with lines of 64 characters and a final newline (RFC 7468 §2). */
export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
