import { describe, expect, it } from 'vitest'
import { privilegeAdvice } from '#shared/sys'
import { missingCapabilities } from '../../../../src/shared/sys/privileges.ts'

const status = (effective: string): string =>
  `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\nCapBnd:\t0\n`

describe('missing privileges', () => {
  it.each([
    { effective: '000001ffffffffff', missing: [] },
    { effective: '0000000000000000', missing: ['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SYS_ADMIN'] },
    { effective: '0000000000203000', missing: [] },
    { effective: '0000000000003000', missing: ['CAP_SYS_ADMIN'] },
    { effective: '0000000000201000', missing: ['CAP_NET_RAW'] },
  ])('of $effective are $missing', ({ effective, missing }) => {
    expect(missingCapabilities(status(effective))).toEqual(missing)
  })

  it('are all of them when the kernel says nothing', () => {
    expect(missingCapabilities('')).toHaveLength(3)
  })

  it('are told in one sentence with what to do', () => {
    expect(privilegeAdvice(['CAP_SYS_ADMIN'])).toMatch(/^missing privileges: CAP_SYS_ADMIN; run as root, .*unshare/)
  })
})
