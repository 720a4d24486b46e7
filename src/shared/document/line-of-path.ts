import { isAlias, isCollection, isMap, isNode, isPair, isScalar, type LineCounter } from 'yaml'
import type { Path } from './shape.ts'

/** The 1-based line of what `path` names, or of the nearest part above it that is written. */
export function lineOfPath(root: unknown, path: Path, lines: LineCounter): number | undefined {
  let node: unknown = root
  let offset = offsetOf(root)
  for (const part of path) {
    if (isAlias(node) || !isCollection(node)) break
    const pair = isMap(node)
      ? node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part))
      : undefined
    // A key's own line says more than its value's, which may start below it.
    const next = pair === undefined ? node.get(part, true) : pair.value
    const nextOffset = offsetOf(pair?.key ?? next)
    if (nextOffset === undefined) break
    offset = nextOffset
    node = next
  }
  return offset === undefined ? undefined : lines.linePos(offset).line
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}
