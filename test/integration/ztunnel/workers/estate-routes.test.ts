import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import {
  becomeHeir,
  type Estate,
  type Successor,
  successorAt,
  type TakeEstate,
  takeEstatesAt,
} from '../../../../src/ztunnel/succession/index.ts'
import { toWorkers } from '../../../../src/ztunnel/workers/index.ts'
import { socket } from '../../../support/mesh-builder.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const estateOf = (podUid: string): Estate => ({
  way: 'outbound',
  podUid,
  source: socket('10.0.0.1:1'),
  originalDestination: socket('10.0.0.2:2'),
  target: socket('10.0.0.2:2'),
  workloadUid: undefined,
  serviceKey: undefined,
  elapsedMs: 0,
  sentBytes: 0,
  receivedBytes: 0,
})

describe('connections that are left to a tunnel of several workers', () => {
  let folder = ''
  let fds: readonly [number, number]
  let leave: (podUid: string) => Promise<boolean>
  const open: { close(): unknown }[] = []
  const taken: string[] = []
  const pathOf = (worker: string): string => join(folder, worker)
  const worker = (name: string, isWilling = true): void => {
    const take: TakeEstate = ({ podUid }, ...given) => {
      if (!isWilling) return false
      taken.push(`${name} ${podUid}`)
      for (const fd of given) closeSync(fd)
      return true
    }
    open.push(takeEstatesAt(pathOf(name), quietLogger, take))
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ambit-routes-'))
    fds = [openSync(folder, 'r'), openSync(folder, 'r')]
    taken.length = 0
    const places = new Map([
      ['a', pathOf('one')],
      ['b', pathOf('two')],
    ])
    const take = toWorkers((uid) => places.get(uid), systemClock, quietLogger)
    const supervisor = becomeHeir({ inpodUds: join(folder, 'zds.sock'), log: quietLogger, take })
    const successor = successorAt(supervisor.path, systemClock, quietLogger) as Successor
    open.push(successor, supervisor)
    leave = (uid) => successor.leave(estateOf(uid), ...fds)
  })
  afterEach(async () => {
    for (const fd of fds) closeSync(fd)
    for (const one of open.splice(0)) await one.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('each go to the worker that has their pod', async () => {
    worker('one')
    worker('two')
    expect(await Promise.all([leave('a'), leave('b'), leave('a')])).toEqual([true, true, true])
    expect(taken).toEqual(['one a', 'two b', 'one a'])
  })

  it('stay where they are when no worker has the pod, is there, or wants them', async () => {
    worker('one', false)
    expect([await leave('a'), await leave('b'), await leave('stranger')]).toEqual([false, false, false])
  })

  it('go to a worker that was started anew', async () => {
    expect(await leave('b')).toBe(false)
    worker('two')
    expect(await leave('b')).toBe(true)
  })

  it('leave no descriptor behind, taken or not', async () => {
    worker('one')
    worker('two', false)
    await leave('a')
    const before = readdirSync('/proc/self/fd').length
    for (let i = 0; i < 20; i++) await Promise.all([leave('a'), leave('b')])
    await expect.poll(() => readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before)
  })
})
