import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'

/** What one replica says of a change: see `/debug/rolloutz` of istiod-lite. */
export type RolloutAnswer =
  | { readonly state: 'unread' | 'unaffected' }
  /** It has not come yet; in words. */
  | { readonly state: 'unseen'; readonly reason: string }
  /** It has come, and is not understood; in words. */
  | { readonly state: 'unreadable'; readonly reason: string }
  | {
      readonly state: 'told'
      readonly proxies: readonly string[]
      readonly waiting: readonly { readonly proxy: string; readonly type: string }[]
      readonly refused: readonly { readonly proxy: string; readonly type: string; readonly reason: string }[]
      readonly gone: readonly string[]
    }

/** What all replicas together say. */
export type Outcome =
  /** `proxies`: how many have it. */
  | { readonly kind: 'done'; readonly proxies: number }
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }

/** Names in a message; the rest is counted. */
const MAX_NAMED = 5

/** @throws MeshError when that is no such answer */
export function readRollout(text: string, istiod: string): RolloutAnswer {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    // Told below.
  }
  const { state, reason, proxies, waiting, refused, gone } = isRecord(answer) ? answer : {}
  if (state === 'unread' || state === 'unaffected') return { state }
  if (state === 'unseen') return { state, reason: `${istiod} has not passed it on yet` }
  if (state === 'unreadable') return { state, reason: `${istiod} cannot read it: ${textOf(reason)}` }
  if (state !== 'told') throw new MeshError('COMMAND_FAILED', `${istiod} does not say which proxies have a change`)
  return {
    state,
    proxies: texts(proxies),
    waiting: records(waiting).map(({ proxy, type }) => ({ proxy: textOf(proxy), type: shortType(type) })),
    refused: records(refused).map(({ proxy, type, reason }) => ({
      proxy: textOf(proxy),
      type: shortType(type),
      reason: textOf(reason),
    })),
    gone: texts(gone),
  }
}

/** Pure. A proxy that left one replica is with another one, or on its way. */
export function outcomeOf(answers: readonly RolloutAnswer[]): Outcome {
  const unreadable = answers.find((answer) => answer.state === 'unreadable')
  if (unreadable !== undefined) return { kind: 'refused', reason: unreadable.reason }
  const told = answers.filter((answer) => answer.state === 'told')
  const refused = told.flatMap((answer) => answer.refused)
  if (refused.length > 0) {
    const named = refused.map(({ proxy, type, reason }) => `${proxyName(proxy)} refused ${type}: ${reason}`)
    return { kind: 'refused', reason: listed(named, '; ') }
  }
  const unseen = answers.find((answer) => answer.state === 'unseen')
  if (unseen !== undefined) return { kind: 'waiting', reason: unseen.reason }
  const connected = new Set(told.flatMap(({ proxies }) => proxies))
  const waiting = new Set(
    told.flatMap((answer) => answer.waiting.map(({ proxy }) => `${proxyName(proxy)} has not answered`)),
  )
  for (const gone of told.flatMap((answer) => answer.gone))
    if (!connected.has(gone)) waiting.add(`${proxyName(gone)} has lost its connection`)
  if (waiting.size > 0) return { kind: 'waiting', reason: listed([...waiting], ', ') }
  return { kind: 'done', proxies: connected.size }
}

/** `KIND~ADDRESS~NAME~DOMAIN`, or a name. */
function proxyName(id: string): string {
  return id.split('~')[2] ?? id
}

function listed(all: readonly string[], separator: string): string {
  const named = all.slice(0, MAX_NAMED).join(separator)
  return all.length > MAX_NAMED ? `${named}${separator}and ${all.length - MAX_NAMED} more` : named
}

function shortType(value: unknown): string {
  return textOf(value).split('.').at(-1) ?? ''
}

function records(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
