import type { Closer } from '#shared/lifecycle'

/** The part of a Kubernetes object that every kind has; kinds of this room narrow it. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
}

export interface ObjectMeta {
  readonly name: string
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly creationTimestamp: string | undefined
  readonly generation: number | undefined
  readonly ownerReferences: readonly { readonly kind: string; readonly name: string; readonly controller: boolean }[]
}

/** `added` also when an object is first seen. */
export interface ObjectChange<T extends KubeObject = KubeObject> {
  readonly type: 'added' | 'updated' | 'deleted'
  readonly object: T
}

/** One thing wrong with one input, told to the user; the last good state stays. */
export interface ObjectProblem {
  /** File, or `namespace/name` where there is no file. */
  readonly where: string
  /** 1-based; undefined when unknown. */
  readonly line: number | undefined
  /** `spec.rules[0].from`; empty for the whole document. */
  readonly path: string
  readonly problem: string
}

/** Where objects come from: a folder of YAML now, the Kubernetes API later; readers cannot tell the difference. */
export interface ObjectSource extends Closer {
  /** The first complete state has been delivered to the subscribers that were there. */
  readonly synced: Promise<void>
  /** Every object of that kind as `added`, at once, then each change in order. Returns the unsubscribe. */
  subscribe(kind: string, listener: (change: ObjectChange) => void): () => void
  /** What is wrong right now with what could not be read. */
  readonly problems: readonly ObjectProblem[]
}
