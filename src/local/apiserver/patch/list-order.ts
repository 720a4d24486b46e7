/**
 * Puts the items of a merged list in the order that the patch wants.
 *
 * Items that the patch names come in the patch's order, the others in the order that they had. Where both kinds meet,
 * one that stood before the next named item stays before it; new items come as early as they can.
 *
 * @param keyOf what identifies an item; equal keys are one item
 */
export function orderItems(
  merged: readonly unknown[],
  wantedKeys: readonly string[],
  before: readonly unknown[],
  keyOf: (item: unknown) => string,
): unknown[] {
  const wantedAt = places(wantedKeys)
  const beforeAt = places(before.map(keyOf))
  const keyed = merged.map((item) => ({ item, key: keyOf(item) }))
  const placeIn = (order: ReadonlyMap<string, number>, { key }: Keyed): number => order.get(key) ?? -1

  const named = keyed.filter(({ key }) => wantedAt.has(key)).sort((a, b) => placeIn(wantedAt, a) - placeIn(wantedAt, b))
  const others = keyed
    .filter(({ key }) => !wantedAt.has(key))
    .sort((a, b) => placeIn(beforeAt, a) - placeIn(beforeAt, b))

  const result: unknown[] = []
  let nextOther = 0
  for (const one of named) {
    const place = placeIn(beforeAt, one)
    while (nextOther < others.length && place >= 0) {
      const other = others[nextOther] as Keyed
      if (placeIn(beforeAt, other) > place) break
      result.push(other.item)
      nextOther++
    }
    result.push(one.item)
  }
  for (; nextOther < others.length; nextOther++) result.push((others[nextOther] as Keyed).item)
  return result
}

interface Keyed {
  readonly item: unknown
  readonly key: string
}

/** The first place of each key. */
function places(keys: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  keys.forEach((key, index) => {
    if (!found.has(key)) found.set(key, index)
  })
  return found
}
