import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { Restarts } from '../support/restarts.ts'

describe.runIf(requirePrivileges())('a tunnel that is exchanged again and again', () => {
  let restarts: Restarts

  beforeEach(() => {
    restarts = new Restarts()
  })
  afterEach(() => restarts.close())

  it('refuses not one of 200 new connections a second over 50 restarts', async () => {
    await restarts.start({ CONNECTION_TERMINATION_DEADLINE: '5s' })
    const stop = new AbortController()
    const load = restarts.load(200, stop.signal)
    for (let i = 0; i < 50; i++) await restarts.restart()
    stop.abort()
    await load
    process.stdout.write(`50 restarts, ${restarts.answered} connections answered\n`)
    expect(restarts.failures).toEqual([])
  })
})
