import type { ApiDocument, ApiObjectId, ApiResource } from '#shared/kube-client'

/** Something that happened to an object, for `kubectl describe` and `kubectl events`. */
export interface EventNote {
  readonly type: 'Normal' | 'Warning'
  /** CamelCase, for machines. */
  readonly reason: string
  readonly message: string
}

/** What is to be different in an object's status, and what is told once that has been written. */
export interface StatusChange {
  /** A merge patch of `status`. */
  readonly patch: ApiDocument
  readonly events: readonly EventNote[]
}

/**
 * From an object's status as it is to what is wrong with it; undefined when it already says what it shall. Pure, and asked
 * again with a newer status when somebody else writes between.
 *
 * @param now RFC 3339, for what changes
 */
export type StatusEdit = (status: ApiDocument, now: string) => StatusChange | undefined

/** Something that the control plane says in the status of objects; each topic edits only what is its own. */
export interface StatusTopic {
  readonly name: string
  /** Kinds whose objects may carry it. */
  readonly resources: readonly ApiResource[]
  /** Takes away whatever the topic has said, also in an earlier life of the program. */
  readonly clear: StatusEdit
}

export interface StatusSubject {
  readonly resource: ApiResource
  readonly id: ApiObjectId
}

/** Writes one topic. What is said is remembered by every control plane and written by the one that leads. */
export interface StatusPen {
  /** Replaces what was said of the object before. */
  say(subject: StatusSubject, edit: StatusEdit): void
  /** There is nothing to be said of it any more, or it is gone. */
  unsay(subject: StatusSubject): void
}
