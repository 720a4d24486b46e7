import { describe, expect, it } from 'vitest'
import { caText, readCaPages } from '../../../../src/cli/print/index.ts'

const certificate = (name: string): object => ({
  subject: `CN=${name}`,
  fingerprint: name.repeat(64).slice(0, 64),
  notBefore: '2026-01-01T00:00:00.000Z',
  notAfter: '2036-01-01T00:00:00.000Z',
})
const page = (change: object = {}): string =>
  JSON.stringify({
    origin: 'self-signed',
    keptIn: 'Secret istio-system/istio-ca-secret',
    phase: 'published',
    since: '2026-02-01T00:00:00.000Z',
    revision: 3,
    signing: certificate('a'),
    intermediates: 1,
    roots: [
      { ...certificate('a'), role: 'current' },
      { ...certificate('b'), role: 'next' },
    ],
    waitingFor: ['files with roots may be as old as 60 s'],
    problem: null,
    outdated: [{ holder: 'istio-system/ztunnel-a', identity: 'spiffe://x', until: '2026-02-02T00:00:00.000Z' }],
    outdatedCount: 1,
    ...change,
  })

describe('the CA as its replicas tell it', () => {
  it('is shown with everybody who has not renewed, of all replicas', () => {
    const other = page({ outdated: [], outdatedCount: 4, problem: 'the CA cannot be used', waitingFor: [] })
    expect(caText(readCaPages([page(), other]))).toBe(
      `Authority:  self-signed, 1 intermediate
Signs as:   CN=a until 2036-01-01T00:00:00.000Z
Kept in:    Secret istio-system/istio-ca-secret
Phase:      published since 2026-02-01T00:00:00.000Z (revision 3)
Waits, as:  files with roots may be as old as 60 s
Problem:    the CA cannot be used

ROOT               ROLE      NOT AFTER                  SUBJECT
aaaaaaaaaaaaaaaa   current   2036-01-01T00:00:00.000Z   CN=a
bbbbbbbbbbbbbbbb   next      2036-01-01T00:00:00.000Z   CN=b

NOT RENEWED YET          IDENTITY     UNTIL
istio-system/ztunnel-a   spiffe://x   2026-02-02T00:00:00.000Z
and 4 more
`,
    )
  })

  it('is what the replica with the newest state says', () => {
    expect(readCaPages([page(), page({ revision: 4, phase: 'active' })]).phase).toBe('active')
  })

  it.each([[[]], [['null']], [['<html>']]])('is nothing when %j is all that is told', (pages) => {
    expect(() => readCaPages(pages)).toThrow('no CA yet, or is not istiod-lite')
  })
})
