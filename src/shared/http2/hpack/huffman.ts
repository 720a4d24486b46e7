import { CODE_BITS, CODES, EOS } from './huffman-code.ts'

/** The code's tree has 257 leaves and so 256 inner nodes; a decoder state is the inner node that was reached. */
const STATES = 256
/** Table entry: next state in bits 0–7, symbols in 8–15 and 16–23, their count in 24–25; negative = malformed. */
const MALFORMED = -1
const NEXT_MASK = 0xff
const COUNT_SHIFT = 24

interface Automaton {
  /** One entry per state and input byte. The shortest code has 5 bits, so that a byte ends at most two symbols. */
  readonly transitions: Int32Array
  /** 1 where a string may end: at most 7 bits into EOS, all of them ones (RFC 7541 §5.2). */
  readonly accepting: Uint8Array
}

let automaton: Automaton | undefined

/**
 * Decodes the Huffman string `source[start, end)` into `target`.
 *
 * @returns the decoded length in bytes, or -1 when the string is malformed: EOS inside, padding longer than 7 bits or
 *   not all ones. A length above `target.length` was counted in full but stored only as far as it fits.
 */
export function huffmanDecode(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  automaton ??= buildAutomaton()
  const { transitions, accepting } = automaton
  const room = target.length
  let state = 0
  let length = 0
  for (let at = start; at < end; at++) {
    const entry = transitions[(state << 8) | source[at]!]!
    if (entry < 0) return MALFORMED
    const count = entry >> COUNT_SHIFT
    if (count > 0) {
      if (length < room) target[length] = entry >> 8
      if (count > 1 && length + 1 < room) target[length + 1] = entry >> 16
      length += count
    }
    state = entry & NEXT_MASK
  }
  return accepting[state] === 1 ? length : MALFORMED
}

/** Length in bytes of `text` when Huffman-coded; -1 when it holds a code unit above 0xff, which has no code. */
export function huffmanLength(text: string): number {
  let bits = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0xff) return -1
    bits += CODE_BITS[unit]!
  }
  return (bits + 7) >>> 3
}

/** Writes `text` (code units up to 0xff) Huffman-coded at `target[at…]`; returns the offset behind it. */
export function huffmanEncode(text: string, target: Uint8Array, at: number): number {
  let pending = 0
  let pendingBits = 0
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i)
    let code = CODES[symbol]!
    let bits = CODE_BITS[symbol]!
    // Up to 7 bits wait; a code of up to 30 would not fit 32 bits beside them, so long codes go in two parts.
    if (bits > 16) {
      pending = (pending << (bits - 16)) | (code >>> 16)
      pendingBits += bits - 16
      while (pendingBits >= 8) {
        pendingBits -= 8
        target[at++] = pending >>> pendingBits
      }
      code &= 0xffff
      bits = 16
    }
    pending = (pending << bits) | code
    pendingBits += bits
    while (pendingBits >= 8) {
      pendingBits -= 8
      target[at++] = pending >>> pendingBits
    }
    pending &= 0xff
  }
  if (pendingBits > 0) target[at++] = (pending << (8 - pendingBits)) | (0xff >>> pendingBits)
  return at
}

function buildAutomaton(): Automaton {
  const children = buildTree()
  const transitions = new Int32Array(STATES * 256)
  for (let state = 0; state < STATES; state++) {
    for (let byte = 0; byte < 256; byte++) transitions[(state << 8) | byte] = walk(children, state, byte)
  }
  const accepting = new Uint8Array(STATES)
  for (let bits = 0, node = 0; bits <= 7; bits++) {
    accepting[node] = 1
    node = children[2 * node + 1]!
  }
  return { transitions, accepting }
}

/** Two numbers per inner node: the inner node behind a 0 and a 1, or -1 - symbol where a code ends. */
function buildTree(): Int16Array {
  const children = new Int16Array(2 * STATES)
  let nodes = 1
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0
    for (let bit = CODE_BITS[symbol]! - 1; bit > 0; bit--) {
      const edge = 2 * node + ((CODES[symbol]! >>> bit) & 1)
      // 0 is the root, which is nobody's child: here it means that the edge is new.
      if (children[edge] === 0) children[edge] = nodes++
      node = children[edge]!
    }
    children[2 * node + (CODES[symbol]! & 1)] = -1 - symbol
  }
  return children
}

function walk(children: Int16Array, state: number, byte: number): number {
  let node = state
  let symbols = 0
  let count = 0
  for (let bit = 7; bit >= 0; bit--) {
    node = children[2 * node + ((byte >> bit) & 1)]!
    if (node >= 0) continue
    const symbol = -1 - node
    if (symbol === EOS) return MALFORMED
    symbols |= symbol << (8 * count)
    count++
    node = 0
  }
  return (count << COUNT_SHIFT) | (symbols << 8) | node
}
