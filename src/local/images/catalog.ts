import { type ImageReference, parseImage } from './reference.ts'

/** What stands for an image: a command of this machine. Nothing is pulled. */
export interface ImageCommand {
  /** The entry point, which a pod's `command` replaces. */
  readonly command: readonly string[]
  /** What a pod's `args` replace. */
  readonly args: readonly string[]
  /** Below the container's own. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute; undefined: where a container without an image runs. */
  readonly workingDir: string | undefined
}

/** Images of one name, and what stands for them. */
export interface ImageEntry {
  readonly name: string
  /** Without `*` exactly this tag; `*` stands for any characters. */
  readonly tag: string
  find(): ImageLookup
}

export type ImageLookup =
  | { readonly kind: 'known'; readonly image: ImageCommand }
  /** The name is known, but it cannot be run, for `reason`. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  | { readonly kind: 'unknown' }

export interface ImageCatalog {
  /** @param written as in a pod's `image` */
  find(written: string): ImageLookup
}

/** Of several entries that fit the first counts. */
export function imageCatalog(entries: readonly ImageEntry[]): ImageCatalog {
  const byName = Map.groupBy(entries, ({ name }) => name)
  return {
    find(written) {
      const wanted = parseImage(written)
      const entry = byName.get(wanted.name)?.find(({ tag }) => fits(tag, wanted))
      return entry === undefined ? { kind: 'unknown' } : entry.find()
    },
  }
}

/** Walks the pattern's parts from the left, each at its earliest place: never more than one pass. */
function fits(pattern: string, { tag }: ImageReference): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return tag === first
  if (!tag.startsWith(first) || tag.length < first.length + last.length || !tag.endsWith(last)) return false
  const middle = tag.slice(first.length, tag.length - last.length)
  let from = 0
  return rest.every((part) => {
    const found = middle.indexOf(part, from)
    from = found + part.length
    return found >= 0
  })
}
