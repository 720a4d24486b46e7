import type { RegistryChange, ResourceDefinition, ResourceRegistry, ReviewDefinition } from './types.ts'

/** The resources of the server by name; what CRDs bring comes and goes. */
export class Resources implements ResourceRegistry {
  readonly #definitions = new Map<string, ResourceDefinition>()
  readonly #reviews = new Map<string, ReviewDefinition>()
  readonly #byKind = new Map<string, ResourceDefinition>()
  readonly #listeners = new Set<(change: RegistryChange) => void>()
  #generation = 0

  get generation(): number {
    return this.#generation
  }

  put(definition: ResourceDefinition): void {
    const id = resourceId(definition.group, definition.plural)
    this.#forgetKind(this.#definitions.get(id))
    this.#definitions.set(id, definition)
    this.#byKind.set(resourceId(definition.group, definition.kind), definition)
    this.#tell({ kind: 'put', definition })
  }

  remove(group: string, plural: string): void {
    const id = resourceId(group, plural)
    const definition = this.#definitions.get(id)
    if (definition === undefined) return
    this.#definitions.delete(id)
    this.#forgetKind(definition)
    this.#tell({ kind: 'removed', definition })
  }

  putReview(definition: ReviewDefinition): void {
    this.#reviews.set(resourceId(definition.group, definition.plural), definition)
    this.#generation++
  }

  find(group: string, plural: string): ResourceDefinition | undefined {
    return this.#definitions.get(resourceId(group, plural))
  }

  findKind(group: string, kind: string): ResourceDefinition | undefined {
    return this.#byKind.get(resourceId(group, kind))
  }

  findReview(group: string, plural: string): ReviewDefinition | undefined {
    return this.#reviews.get(resourceId(group, plural))
  }

  definitions(): readonly ResourceDefinition[] {
    const all = [...this.#definitions.values()]
    return [...all.filter(({ group }) => group === ''), ...all.filter(({ group }) => group !== '')]
  }

  reviews(): readonly ReviewDefinition[] {
    return [...this.#reviews.values()]
  }

  onChange(listener: (change: RegistryChange) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #forgetKind(definition: ResourceDefinition | undefined): void {
    if (definition === undefined) return
    const id = resourceId(definition.group, definition.kind)
    if (this.#byKind.get(id) === definition) this.#byKind.delete(id)
  }

  #tell(change: RegistryChange): void {
    this.#generation++
    for (const listener of this.#listeners) listener(change)
  }
}

/** As the store and RBAC name it: `/pods`, `apps/deployments`. */
export function resourceId(group: string, plural: string): string {
  return `${group}/${plural}`
}

/** `v1`, `apps/v1`. */
export function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`
}
