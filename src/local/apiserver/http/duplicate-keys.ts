const MAX_DUPLICATES = 64

type Frame =
  | { readonly kind: 'object'; readonly keys: Set<string>; readonly path: string; key: string; expectsKey: boolean }
  | { readonly kind: 'list'; readonly path: string; index: number }

/**
 * Paths of keys that an object of a JSON text has more than once. JSON.parse lets the last one win and says nothing, so
 * a second `image:` would be taken in silence.
 *
 * @param text must be JSON that parses
 */
export function duplicateKeys(text: string): string[] {
  const found: string[] = []
  const stack: Frame[] = []
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    const top = stack.at(-1)
    if (character === '"') {
      const end = endOfString(text, i)
      if (top?.kind === 'object' && top.expectsKey) takeKey(top, text.slice(i, end), found)
      i = end - 1
    } else if (character === '{')
      stack.push({ kind: 'object', keys: new Set(), path: pathOf(top), key: '', expectsKey: true })
    else if (character === '[') stack.push({ kind: 'list', path: pathOf(top), index: 0 })
    else if (character === '}' || character === ']') stack.pop()
    else if (character === ',' && top?.kind === 'list') top.index++
    else if (character === ',' && top?.kind === 'object') top.expectsKey = true
  }
  return found
}

function takeKey(frame: Extract<Frame, { kind: 'object' }>, quoted: string, found: string[]): void {
  const key = String(JSON.parse(quoted))
  frame.expectsKey = false
  frame.key = key
  if (frame.keys.has(key) && found.length < MAX_DUPLICATES) found.push(pathOf(frame))
  frame.keys.add(key)
}

function pathOf(frame: Frame | undefined): string {
  if (frame === undefined) return ''
  if (frame.kind === 'list') return `${frame.path}[${frame.index}]`
  return frame.path === '' ? frame.key : `${frame.path}.${frame.key}`
}

/** Index behind the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i + 1
  }
  return text.length
}
