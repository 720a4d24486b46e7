const ONE = '{*}'
const MANY = '{**}'

/**
 * Whether a path fits a template: `{*}` is one segment that is not empty, `{**}` is any number of characters, slashes among
 * them. Read from the left without ever going back, so that no path can make it slow.
 */
export function pathTemplate(template: string): (path: string) => boolean {
  const many = template.indexOf(MANY)
  const head = (many === -1 ? template : template.slice(0, many)).split(ONE)
  const tail = many === -1 ? undefined : template.slice(many + MANY.length)
  return (path) => {
    const end = endOfHead(head, path)
    if (end === undefined) return false
    if (tail === undefined) return end === path.length
    return path.length >= end + tail.length && path.endsWith(tail)
  }
}

/** Where the literals with a segment between each two of them end; undefined when the path does not begin so. */
function endOfHead(literals: readonly string[], path: string): number | undefined {
  let at = 0
  for (const [i, literal] of literals.entries()) {
    if (i > 0) {
      const slash = path.indexOf('/', at)
      const end = slash === -1 ? path.length : slash
      if (end === at) return undefined
      at = end
    }
    if (!path.startsWith(literal, at)) return undefined
    at += literal.length
  }
  return at
}
