import { isRecord } from '#shared/document'
import type { Closer } from '#shared/lifecycle'
import type { ApiObject, ObjectAccess } from '../apiserver/index.ts'
import type { ConfigRef } from './environment-spec.ts'

/** What a ConfigMap or Secret holds, by key. */
export type ConfigData = ReadonlyMap<string, Buffer>

/** What is followed: a ConfigMap, a Secret, or the pod itself. */
export interface Followed {
  readonly kind: 'ConfigMap' | 'Secret' | 'Pod'
  readonly name: string
}

const RESOURCES = { ConfigMap: 'configmaps', Secret: 'secrets', Pod: 'pods' } as const

/**
 * ConfigMaps and Secrets for all pods: read as they are now, and followed with one watch for each kind, however many
 * pods there are.
 */
export class ConfigSource implements Closer {
  readonly #access: ObjectAccess
  readonly #followers = new Map<string, Set<() => void>>()
  readonly #watches: readonly { stop(): void }[]

  constructor(access: ObjectAccess) {
    this.#access = access
    this.#watches = (['ConfigMap', 'Secret', 'Pod'] as const).map((kind) =>
      access.watch({ group: '', resource: RESOURCES[kind], namespace: '' }, ({ object }) => {
        const { namespace = '', name } = object.metadata
        for (const changed of [...(this.#followers.get(keyOf(namespace, { kind, name })) ?? [])]) changed()
      }),
    )
  }

  /** Undefined when there is no such object. */
  read(namespace: string, { kind, name }: Pick<ConfigRef, 'kind' | 'name'>): ConfigData | undefined {
    const object = this.#get(namespace, { kind, name })
    if (object === undefined) return undefined
    return kind === 'Secret' ? bytesIn(object.data) : new Map([...textsIn(object.data), ...bytesIn(object.binaryData)])
  }

  pod(namespace: string, name: string): ApiObject | undefined {
    return this.#get(namespace, { kind: 'Pod', name })
  }

  services(): readonly ApiObject[] {
    return this.#access.list({ group: '', resource: 'services', namespace: '' }).items
  }

  /** Calls back after each change of one of them, its coming and going included. @returns the end of it */
  follow(namespace: string, objects: readonly Followed[], changed: () => void): () => void {
    const keys = new Set(objects.map((each) => keyOf(namespace, each)))
    for (const key of keys) {
      const followers = this.#followers.get(key) ?? new Set()
      this.#followers.set(key, followers.add(changed))
    }
    return () => {
      for (const key of keys) {
        const followers = this.#followers.get(key)
        followers?.delete(changed)
        if (followers?.size === 0) this.#followers.delete(key)
      }
    }
  }

  async close(): Promise<void> {
    for (const watch of this.#watches) watch.stop()
    this.#followers.clear()
  }

  #get(namespace: string, { kind, name }: Followed): ApiObject | undefined {
    return this.#access.get({ group: '', resource: RESOURCES[kind], namespace, name })
  }
}

function keyOf(namespace: string, { kind, name }: Followed): string {
  return `${kind} ${namespace}/${name}`
}

function textsIn(data: unknown): readonly (readonly [string, Buffer])[] {
  return entriesIn(data).map(([key, text]) => [key, Buffer.from(text)] as const)
}

function bytesIn(data: unknown): ConfigData {
  return new Map(entriesIn(data).map(([key, text]) => [key, Buffer.from(text, 'base64')] as const))
}

function entriesIn(data: unknown): readonly (readonly [string, string])[] {
  if (!isRecord(data)) return []
  return Object.entries(data).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
}
