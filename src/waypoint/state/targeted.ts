import type { PolicyTarget } from '#shared/l7'
import { serviceKey } from '#shared/model'
import { Records } from './records.ts'

/** A policy of any kind. */
interface Targeted {
  readonly namespace: string
  readonly name: string
  readonly targets: readonly PolicyTarget[]
}

/**
 * Policies by what they are for. The list of a service is the same object until a policy in it changes, comes or goes, so
 * that what others have compiled of it stays good.
 */
export class TargetedRecords<T extends Targeted> extends Records<T> {
  /** Service key → its list, built when it is first asked for; `''` = for the whole waypoint. */
  readonly #lists = new Map<string, { readonly revision: number; readonly list: readonly T[] }>()

  constructor() {
    super(({ namespace, name }) => `${namespace}/${name}`)
  }

  /** Those for the whole waypoint and those of that service, by namespace and name; undefined = only the former. */
  of(key: string | undefined): readonly T[] {
    const known = this.#lists.get(key ?? '')
    if (known?.revision === this.revision) return known.list
    const found = [...this.all()].filter(({ targets }) => targets.some((target) => isFor(target, key))).sort(byName)
    const list = known !== undefined && isSame(known.list, found) ? known.list : found
    this.#lists.set(key ?? '', { revision: this.revision, list })
    return list
  }

  /** Services that are gone are asked for no more. */
  forget(key: string): void {
    this.#lists.delete(key)
  }
}

function isFor(target: PolicyTarget, key: string | undefined): boolean {
  return target.kind === 'waypoint' || serviceKey(target) === key
}

function byName(a: Targeted, b: Targeted): number {
  return compare(a.namespace, b.namespace) || compare(a.name, b.name)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function isSame<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i])
}
