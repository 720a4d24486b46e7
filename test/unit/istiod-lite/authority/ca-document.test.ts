import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { documentOf, readDocument, reportKey, reportText } from '../../../../src/istiod-lite/authority/ca-document.ts'
import { makeSelfSigned } from '../../../../src/istiod-lite/authority/material.ts'
import type { ReplicaReport } from '../../../../src/istiod-lite/authority/replica-report.ts'
import type { CaState, Phase } from '../../../../src/istiod-lite/authority/rotation.ts'

const made = makeSelfSigned('cluster.local', 86_400_000, 1_700_000_000_000)
const next = { ...makeSelfSigned('cluster.local', 86_400_000, 1_700_000_000_000), origin: 'plugged-in' as const }
const report: ReplicaReport = {
  id: 'abc',
  revision: 3,
  lease: { kind: 'open', untilMs: 7 },
  longestLifeMs: 5,
  leaves: [{ revision: 2, untilMs: 9, count: 1 }],
}

const textsOf = (state: CaState): Record<string, string> =>
  Object.fromEntries(
    Object.entries(documentOf(state)).flatMap(([key, text]): [string, string][] =>
      text === null ? [] : [[key, text]],
    ),
  )

describe('the document of a CA', () => {
  const phases: readonly Phase[] = [
    { kind: 'steady' },
    { kind: 'prepared', next },
    { kind: 'published', next },
    { kind: 'active', oldRootsPem: next.rootsPem },
  ]
  it.each(phases)('says the same when it is read again, in phase $kind', (phase) => {
    const departed = [{ revision: 1, untilMs: 4, count: 2 }]
    const state: CaState = { revision: 3, signing: made, phase, sinceMs: 11, handledRequest: 'x', departed }
    const texts = { ...textsOf(state), [reportKey('abc')]: reportText(report) }
    expect(readDocument(texts, 'here')).toEqual({ state, reports: [report] })
  })

  it('is read, or refused by name, whatever stands in it', () => {
    const state: CaState = {
      revision: 3,
      signing: made,
      phase: { kind: 'prepared', next },
      sinceMs: 1,
      handledRequest: '',
      departed: [],
    }
    const texts = { ...textsOf(state), [reportKey('abc')]: reportText(report) }
    const junk = fc.oneof(fc.string(), fc.json(), fc.constantFrom(...Object.values(texts)))
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(texts)), junk, (key, text) => {
        try {
          readDocument({ ...texts, [key]: text }, 'here')
        } catch (error) {
          expect(error).toMatchObject({
            code: 'CONFIG_INVALID',
            message: expect.stringMatching(/^here: .*restore it/s),
          })
          expect((error as Error).message).not.toContain(made.keyPem.split('\n')[1])
        }
      }),
      { numRuns: 300 },
    )
  })
})
