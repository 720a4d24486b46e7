import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Clock, systemClock } from '#shared/clock'
import { type IpAddress, parseIp } from '#shared/net'
import { createNetns, type Netns, Routes } from '#shared/sys'
import { claim, FolderResolver } from '../../../src/node-agent/netns/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { requirePrivileges } from '../../support/privileges.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

describe.runIf(requirePrivileges())('namespaces in a folder', () => {
  let root: string
  let folder: string
  let resolver: FolderResolver
  const changed: string[] = []
  const opened: Netns[] = []

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'ambit-netns-'))
    folder = join(root, 'netns')
    changed.length = 0
  })

  afterEach(async () => {
    await resolver.close()
    for (const netns of opened.splice(0)) netns.close()
    rmSync(root, { recursive: true, force: true })
  })

  function start(clock: Clock = systemClock): void {
    resolver = new FolderResolver(folder, clock, quietLogger)
    resolver.onChanged((uid) => changed.push(uid))
  }

  function link(uid: string): Netns {
    const netns = createNetns()
    opened.push(netns)
    symlinkSync(`/proc/${process.pid}/fd/${netns.fd}`, join(folder, uid))
    return netns
  }

  const untilChanged = (...uids: string[]): Promise<void> =>
    vi.waitFor(() => expect(changed.splice(0)).toEqual(uids), { timeout: 8000, interval: 5 })

  function find(uid: string): string | undefined {
    const found = resolver.find({ uid, ips: [] })
    found?.close()
    return found?.id
  }

  it('are found when they are there, and told when they come and go', async () => {
    mkdirSync(folder)
    start()
    expect(find('u1')).toBeUndefined()
    const netns = link('u1')
    await untilChanged('u1')
    expect(find('u1')).toBe(netns.id)
    unlinkSync(join(folder, 'u1'))
    await untilChanged('u1')
    expect(find('u1')).toBeUndefined()
  })

  it('are told when another one takes the place', async () => {
    mkdirSync(folder)
    link('u1')
    start()
    changed.length = 0
    const next = link('u2')
    renameSync(join(folder, 'u2'), join(folder, 'u1'))
    await vi.waitFor(() => expect(changed).toContain('u1'), { timeout: 8000 })
    expect(find('u1')).toBe(next.id)
  })

  it('are found in a folder that is made later, or made anew, by looking again every 2 s', async () => {
    const clock = new FakeClock()
    start(clock)
    mkdirSync(folder)
    link('u1')
    await clock.advance(2000)
    expect(changed.splice(0)).toEqual(['u1'])
    rmSync(folder, { recursive: true })
    await clock.advance(2000)
    expect(changed.splice(0)).toEqual(['u1'])
    mkdirSync(folder)
    const netns = link('u1')
    await clock.advance(2000)
    expect(changed.splice(0)).toEqual(['u1'])
    expect(find('u1')).toBe(netns.id)
  })

  it.each([
    { what: 'a file that is no namespace (yet)', make: (path: string) => writeFileSync(path, '') },
    { what: 'a link to a process that has ended', make: (path: string) => symlinkSync('/proc/4194304/ns/net', path) },
    { what: 'a link to another kind of namespace', make: (path: string) => symlinkSync('/proc/self/ns/uts', path) },
  ])('are not there for $what', ({ make }) => {
    mkdirSync(folder)
    start()
    make(join(folder, 'u1'))
    expect(find('u1')).toBeUndefined()
  })

  it('of the node itself are an error', () => {
    mkdirSync(folder)
    start()
    symlinkSync('/proc/self/ns/net', join(folder, 'u1'))
    expect(() => find('u1')).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
  })

  it('are the pod’s by one of its addresses, however it is written', () => {
    mkdirSync(folder)
    start()
    const netns = link('u1')
    const routes = new Routes(netns)
    routes.addAddress({ link: 'lo', ip: parseIp('10.0.0.1') as IpAddress, prefixBits: 32 })
    routes.addAddress({ link: 'lo', ip: parseIp('fd00::1') as IpAddress, prefixBits: 128 })
    for (const ips of [['10.0.0.1'], ['FD00:0::1'], ['10.9.9.9', 'fd00::1']]) {
      const own = claim(resolver.find({ uid: 'u1', ips }), ips)
      expect(own?.id).toBe(netns.id)
      own?.close()
    }
    expect(claim(resolver.find({ uid: 'u1', ips: [] }), [])).toBeUndefined()
    expect(claim(undefined, ['10.0.0.1'])).toBeUndefined()
    expect(() => claim(resolver.find({ uid: 'u1', ips: ['10.0.0.2'] }), ['10.0.0.2'])).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    )
  })
})
