import {
  type KubeObject,
  type MeshConfig,
  type MetadataSelector,
  matchesSelector,
  type Namespace,
  objectKey,
} from '#shared/k8s'
import type { Source } from '../collections/index.ts'

/** Which namespaces belong to the mesh: all of them, or those that its settings select (`discoverySelectors`). */
export class Discovery {
  readonly #rootNamespace: string
  readonly #labels = new Map<string, Readonly<Record<string, string>>>()
  readonly #listeners: (() => void)[] = []
  #selectors: readonly MetadataSelector[] = []

  constructor(rootNamespace: string) {
    this.#rootNamespace = rootNamespace
  }

  /** The root namespace always does: what is written there holds for the mesh. */
  has(namespace: string): boolean {
    if (this.#selectors.length === 0 || namespace === '' || namespace === this.#rootNamespace) return true
    const labels = this.#labels.get(namespace)
    return labels !== undefined && this.#selectors.some((selector) => matchesSelector(selector, labels))
  }

  /** Called after anything that may change an answer. */
  subscribe(listener: () => void): void {
    this.#listeners.push(listener)
  }

  namespaceChanged({ metadata }: Namespace, isDeleted: boolean): void {
    const before = this.has(metadata.name)
    if (isDeleted) this.#labels.delete(metadata.name)
    else this.#labels.set(metadata.name, metadata.labels)
    if (before !== this.has(metadata.name)) this.#tell()
  }

  /** Of another ConfigMap than the mesh's own nothing is taken. */
  settingsChanged({ metadata, spec }: MeshConfig, isDeleted: boolean): void {
    if (metadata.namespace !== this.#rootNamespace || metadata.name !== MESH_CONFIG_NAME) return
    this.#selectors = isDeleted ? [] : spec.discoverySelectors
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

/** The ConfigMap of the mesh's settings. */
export const MESH_CONFIG_NAME = 'istio'

/** The objects of one kind, of which those outside of the mesh are held back until their namespace belongs to it. */
export class DiscoveredObjects<T extends KubeObject> {
  readonly #discovery: Discovery
  readonly #into: Source<T>
  readonly #outside = new Map<string, T>()

  constructor(discovery: Discovery, into: Source<T>) {
    this.#discovery = discovery
    this.#into = into
    discovery.subscribe(() => this.#sortAgain())
  }

  set(object: T): void {
    const key = objectKey(object)
    if (this.#discovery.has(object.metadata.namespace)) {
      this.#outside.delete(key)
      this.#into.set(key, object)
    } else {
      this.#outside.set(key, object)
      this.#into.delete(key)
    }
  }

  delete(object: T): void {
    this.#outside.delete(objectKey(object))
    this.#into.delete(objectKey(object))
  }

  #sortAgain(): void {
    const isInside = (object: T): boolean => this.#discovery.has(object.metadata.namespace)
    const leaving = this.#into.list().filter((object) => !isInside(object))
    const coming = [...this.#outside.values()].filter(isInside)
    for (const object of [...leaving, ...coming]) this.set(object)
  }
}
