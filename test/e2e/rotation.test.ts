import { describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { rotateUnderLoad } from '../support/rotations.ts'

describe.runIf(requirePrivileges())('25: certificates that live three seconds', () => {
  it('are renewed 20 times under load without one failed connection, and leave nothing behind', async () => {
    const { signed, answered, failures, complaints, before, after } = await rotateUnderLoad(20)
    expect(failures, complaints.join('\n')).toEqual([])
    expect(signed).toBeGreaterThanOrEqual(26)
    expect(answered).toBeGreaterThan(100)
    expect(after.residentMib - before.residentMib).toBeLessThan(64)
    expect(after.descriptors - before.descriptors).toBeLessThan(20)
  })
})
