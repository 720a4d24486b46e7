/** What a value may be made of: one code unit an octet, no controls but tab (RFC 9110 §5.5). */
const OCTETS = /^[\t\x20-\x7e\x80-\xff]*$/
const TEXT = /^[\t\x20-\x7e\x80-\u{10ffff}]*$/u

/**
 * A value as it goes on the wire; text beyond Latin-1 becomes its UTF-8.
 *
 * @throws TypeError when it would break out of its line: who takes values from strangers checks them first
 */
export function fieldValue(value: string): string {
  if (OCTETS.test(value)) return value
  if (!TEXT.test(value)) throw new TypeError('a field value has a control character')
  return Buffer.from(value, 'utf8').toString('latin1')
}
