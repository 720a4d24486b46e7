import { describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { rotateUnderLoad } from '../support/rotations.ts'

describe.runIf(requirePrivileges())('certificates that live three seconds', () => {
  it('are renewed 1,000 times under load without one failed connection, and leave nothing behind', async () => {
    const { signed, answered, failures, complaints, before, after } = await rotateUnderLoad(1_000)
    process.stdout.write(`${JSON.stringify({ signed, answered, before, after })}\n`)
    expect(failures, complaints.join('\n')).toEqual([])
    expect(after.residentMib - before.residentMib).toBeLessThan(64)
    expect(after.descriptors - before.descriptors).toBeLessThan(20)
  })
})
