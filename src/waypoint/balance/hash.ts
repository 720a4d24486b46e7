/**
 * MurmurHash3 (x86, 32 bits) of a text's UTF-8 octets, or of what stands for them: keys are fields and addresses, where a
 * code unit is an octet. Waypoints of one service must agree on it, nobody else need to; against clients that choose keys
 * to meet in one place it is no protection, since a key that repeats meets itself anyway.
 */
export function hashOf(text: string, seed = 0): number {
  let hash = seed
  let at = 0
  const whole = text.length & ~3
  for (; at < whole; at += 4) {
    const block =
      (text.charCodeAt(at) & 0xff) |
      ((text.charCodeAt(at + 1) & 0xff) << 8) |
      ((text.charCodeAt(at + 2) & 0xff) << 16) |
      ((text.charCodeAt(at + 3) & 0xff) << 24)
    hash ^= scramble(block)
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let i = text.length - 1; i >= at; i--) tail = (tail << 8) | (text.charCodeAt(i) & 0xff)
  hash ^= scramble(tail)
  return mixed(hash ^ text.length)
}

/** Another hash of the same thing, for the `index`-th place that it takes. */
export function rehash(hash: number, index: number): number {
  return mixed((hash + Math.imul(index + 1, 0x9e3779b9)) | 0)
}

function scramble(block: number): number {
  const turned = Math.imul(block, 0xcc9e2d51)
  return Math.imul((turned << 15) | (turned >>> 17), 0x1b873593)
}

/** Every bit of the result depends on every bit of the hash. */
function mixed(hash: number): number {
  let h = hash
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  h ^= h >>> 16
  return h >>> 0
}
