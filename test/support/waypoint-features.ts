import { describe, expect, it } from 'vitest'
import type { Fields } from '../../src/waypoint/codec/index.ts'
import { ask, type Outcome } from './waypoint-ask.ts'
import { configure, type Told } from './waypoint-configuration.ts'
import type { Expected, Feature, Row } from './waypoint-rows.ts'

/** @param base objects that every feature has besides its own */
export function describeFeatures(features: readonly Feature[], base: string): void {
  describe.each(features.map((feature): [string, Feature] => [feature.name, feature]))('%s', (_, feature) => {
    const { problems, told } = configure(`${base}---\n${feature.manifests}`)

    it('has objects that can be read', () => {
      expect(problems).toEqual([])
    })

    it.each(feature.rows.map((row): [string, Row] => [row.it, row]))('%s', async (__, row) => {
      const outcome = await ask(told, row.ask ?? {}, 0.5)
      expect(found(outcome, row.get)).toEqual(wanted(row.get))
      const { shares, mirrors } = row.get
      if (shares !== undefined)
        expect(await percents(told, row, ({ sent, answer }) => [sent?.to ?? `${answer.status}`])).toEqual(shares)
      if (mirrors !== undefined) expect(await percents(told, row, (each) => each.mirrors)).toEqual(mirrors)
    })
  })
}

/** Of what was found that which the row speaks of. */
const found = ({ sent, match, answer, reply, delayMs }: Outcome, get: Expected) => ({
  ...('backend' in get && { backend: sent?.to ?? null }),
  ...('method' in get && { method: sent?.head.method }),
  ...('path' in get && { path: sent?.head.target }),
  ...('host' in get && { host: sent?.head.authority }),
  ...('headers' in get && { headers: linesOf(sent?.head.fields, Object.keys(get.headers ?? {})) }),
  ...('absent' in get && { absent: get.absent?.filter((name) => sent?.head.fields.has(name) === false) }),
  ...('status' in get && { status: answer.status }),
  ...('answer' in get && { answer: linesOf(answer.fields, Object.keys(get.answer ?? {})) }),
  ...('answerAbsent' in get && { answerAbsent: get.answerAbsent?.filter((name) => !answer.fields.has(name)) }),
  ...('timeoutMs' in get && { timeoutMs: match?.timeoutMs ?? null }),
  ...('tryTimeoutMs' in get && { tryTimeoutMs: match?.retry?.perTryTimeoutMs ?? null }),
  ...('delayMs' in get && { delayMs }),
  ...('body' in get && { body: reply && Buffer.from(reply.body).toString() }),
  ...('grpcStatus' in get && { grpcStatus: reply?.grpcStatus }),
  ...('rule' in get && { rule: match?.name }),
  ...('retry' in get && { retry: retryOf(match?.retry, get.retry) }),
})

/** Shares are looked at by themselves. */
const wanted = ({ shares: _, mirrors: __, ...get }: Expected) => get

const linesOf = (fields: Fields | undefined, names: readonly string[]): Record<string, string | undefined> =>
  Object.fromEntries(names.map((name) => [name, fields?.has(name) ? fields.values(name).join(', ') : undefined]))

const retryOf = (retry: NonNullable<Outcome['match']>['retry'], get: Expected['retry']) =>
  retry === undefined
    ? null
    : {
        attempts: retry.attempts,
        ...(get?.codes !== undefined && { codes: retry.statusCodes }),
        ...(get?.backoffMs !== undefined && { backoffMs: retry.backoff.baseMs }),
      }

const DRAWS = 1_000

/** How often each name comes, with choices spread evenly. */
const percents = async (
  told: Told,
  row: Row,
  namesOf: (outcome: Outcome) => readonly string[],
): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (let i = 0; i < DRAWS; i++)
    for (const name of namesOf(await ask(told, row.ask ?? {}, (i + 0.5) / DRAWS)))
      counts[name] = (counts[name] ?? 0) + 100 / DRAWS
  return Object.fromEntries(Object.entries(counts).map(([name, percent]) => [name, Math.round(percent * 100) / 100]))
}
