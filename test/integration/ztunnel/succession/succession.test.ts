import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { connectSeqPacket } from '#shared/sys'
import { becomeHeir, type Estate, findSuccessor, type Heir } from '../../../../src/ztunnel/succession/index.ts'
import { socket } from '../../../support/mesh-builder.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const ESTATE: Estate = {
  way: 'plaintext',
  podUid: 'pod',
  source: socket('10.0.0.1:1'),
  originalDestination: socket('10.0.0.2:2'),
  target: socket('10.0.0.2:2'),
  workloadUid: undefined,
  serviceKey: undefined,
  elapsedMs: 0,
  sentBytes: 0,
  receivedBytes: 0,
}

describe('a tunnel that leaves its connections to the next', () => {
  let folder = ''
  const open: { close(): unknown }[] = []
  const taken: string[] = []
  const heir = (take: (estate: Estate, opener: number, target: number) => boolean): Heir => {
    const made = becomeHeir({ inpodUds: join(folder, 'zds.sock'), log: quietLogger, take })
    open.push(made)
    return made
  }
  const closing = (name: string) => (estate: Estate, opener: number, target: number) => {
    taken.push(`${name} ${estate.podUid}`)
    for (const fd of [opener, target]) closeSync(fd)
    return true
  }
  /** Files have times of whole ticks of the kernel's clock. */
  const laterTick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ambit-heir-'))
    taken.length = 0
  })
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('finds the newest of those that began after it, and not itself', async () => {
    const first = heir(closing('first'))
    expect(findSuccessor(first.path, systemClock, quietLogger)).toBeUndefined()
    await laterTick()
    const second = heir(closing('second'))
    await laterTick()
    const third = heir(closing('third'))
    const fds = [openSync(folder, 'r'), openSync(folder, 'r')] as const
    const successor = findSuccessor(first.path, systemClock, quietLogger)
    expect(
      await Promise.all([successor?.leave(ESTATE, ...fds), successor?.leave({ ...ESTATE, podUid: 'b' }, ...fds)]),
    ).toEqual([true, true])
    expect(taken).toEqual(['third pod', 'third b'])
    expect(findSuccessor(third.path, systemClock, quietLogger)).toBeUndefined()
    expect(findSuccessor(second.path, systemClock, quietLogger)).toBeDefined()
    for (const fd of fds) closeSync(fd)
    await successor?.close()
  })

  it('keeps a connection that the next does not want, and goes on offering', async () => {
    const first = heir(() => false)
    await laterTick()
    let wants = false
    heir((_estate, opener, target) => {
      if (wants) for (const fd of [opener, target]) closeSync(fd)
      return wants
    })
    const successor = findSuccessor(first.path, systemClock, quietLogger)
    const fds = [openSync(folder, 'r'), openSync(folder, 'r')] as const
    expect(await successor?.leave(ESTATE, ...fds)).toBe(false)
    wants = true
    expect(await successor?.leave(ESTATE, ...fds)).toBe(true)
    for (const fd of fds) closeSync(fd)
    await successor?.close()
  })

  it('removes the files of those that are gone', async () => {
    const first = heir(() => false)
    await laterTick()
    const gone = heir(() => false)
    await gone.close()
    writeFileSync(join(folder, 'ztunnel-heir-0123456789abcdef.sock'), '')
    writeFileSync(join(folder, 'other'), '')
    expect(findSuccessor(first.path, systemClock, quietLogger)).toBeUndefined()
    expect(readdirSync(folder).sort()).toEqual(['other', first.path.slice(folder.length + 1)].sort())
  })

  it('answers packets that are no connections, and closes what came with them', async () => {
    const first = heir(() => true)
    const before = readdirSync('/proc/self/fd').length
    const stranger = connectSeqPacket(first.path)
    for (const text of ['', 'x', '{}', '{"version":1}']) {
      await stranger.send(Buffer.from(text === '' ? ' ' : text), [openSync(folder, 'r')])
      expect(Buffer.from((await stranger.receive())?.bytes ?? []).toString()).toBe('refused')
    }
    await stranger.close()
    // Four of ours are still open; none that was received is.
    await expect.poll(() => readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before + 4)
  })
})
