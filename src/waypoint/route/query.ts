/**
 * The first values of some parameters of a target, in one pass. Names and values are compared as they are written, percent
 * signs and plus signs included, as Envoy does; a parameter without `=` is empty.
 *
 * @param places where in the result the value of a name goes
 */
export function queryValues(target: string, places: ReadonlyMap<string, number>): readonly (string | undefined)[] {
  const values: (string | undefined)[] = new Array(places.size).fill(undefined)
  const question = target.indexOf('?')
  for (let start = question + 1; question !== -1 && start <= target.length; ) {
    const and = target.indexOf('&', start)
    const end = and === -1 ? target.length : and
    const equals = target.indexOf('=', start)
    const nameEnd = equals === -1 || equals > end ? end : equals
    const place = places.get(target.slice(start, nameEnd))
    if (place !== undefined) values[place] ??= target.slice(Math.min(nameEnd + 1, end), end)
    start = end + 1
  }
  return values
}
