import { isDeepStrictEqual } from 'node:util'
import type { Labels, PodTemplate, ReplicaSet } from '../core/shapes.ts'

export const HASH_LABEL = 'pod-template-hash'

/** Letters and digits of which no bad words are made; Kubernetes' own choice. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'

/** The set that runs just this template; of several (a user's doing) the oldest. */
export function setOfTemplate(sets: readonly ReplicaSet[], template: PodTemplate): ReplicaSet | undefined {
  const wanted = withoutHash(template)
  return [...sets].sort(byAge).find(({ spec }) => isDeepStrictEqual(withoutHash(spec.template), wanted))
}

/** Oldest first. */
export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const [aTime, bTime] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '']
  return aTime === bTime ? (a.metadata.name < b.metadata.name ? -1 : 1) : aTime < bTime ? -1 : 1
}

/**
 * FNV-1a (32 bits) of the template with sorted keys, in letters that may stand in a name. Different templates may have
 * one hash: `collisions` tells them apart.
 */
export function templateHash(template: PodTemplate, collisions: number): string {
  const text = `${canonical(withoutHash(template))}${collisions === 0 ? '' : collisions}`
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return [...String(hash)].map((digit) => ALPHABET[Number(digit) % ALPHABET.length]).join('')
}

/** The template, selector or labels with the hash that keeps the pods of two revisions apart. */
export function withHashLabel(labels: Labels | undefined, hash: string): Labels {
  return { ...labels, [HASH_LABEL]: hash }
}

function withoutHash(template: PodTemplate): PodTemplate {
  const { [HASH_LABEL]: _, ...labels } = template.metadata?.labels ?? {}
  return { ...template, metadata: { ...template.metadata, labels } }
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join()}}`
}
