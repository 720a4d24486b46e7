import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type IpAddress, parseIp } from '#shared/net'
import { createNetns, currentNetns, type Netns, Routes } from '#shared/sys'
import { byAddress, byCgroup, claim, ProcessResolver } from '../../../src/node-agent/netns/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { requirePrivileges } from '../../support/privileges.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

const UID = '0f2c6e4a-9b1d-4c3e-8a57-1d2e3f405162'
const IP = '10.0.0.1'
const RESCAN_MS = 2000

describe.runIf(requirePrivileges())('namespaces of the processes of a node', () => {
  let procDir: string
  let clock: FakeClock
  let resolver: ProcessResolver | undefined
  let changed: string[]
  const children: ChildProcess[] = []
  const namespaces: Netns[] = []

  beforeEach(() => {
    procDir = mkdtempSync(join(tmpdir(), 'ambit-proc-'))
    clock = new FakeClock()
    changed = []
    // Stands for the first process of the node, for the machine's own may be out of sight.
    showProcess(1, { of: process.pid })
  })

  afterEach(async () => {
    await resolver?.close()
    resolver = undefined
    await Promise.all(children.splice(0).map(end))
    for (const netns of namespaces.splice(0)) netns.close()
    rmSync(procDir, { recursive: true, force: true })
  })

  /** As the kernel shows it, but only those that the test is about; `text` replaces what a process says of itself. */
  function showProcess(
    pid: number,
    text: { readonly cgroup?: string; readonly startedAt?: number; readonly of?: number } = {},
  ): void {
    const folder = join(procDir, String(pid))
    mkdirSync(folder)
    symlinkSync(`/proc/${text.of ?? pid}/ns`, join(folder, 'ns'))
    writeFileSync(join(folder, 'cgroup'), text.cgroup ?? '0::/system.slice\n')
    const fields = Array.from({ length: 18 }, () => '0').join(' ')
    writeFileSync(join(folder, 'stat'), `${pid} (sleep) S ${fields} ${text.startedAt ?? 1} 0\n`)
  }

  function namespaceWith(...ips: readonly string[]): Netns {
    const netns = createNetns()
    namespaces.push(netns)
    const routes = new Routes(netns)
    for (const ip of ips) {
      const address = parseIp(ip) as IpAddress
      routes.addAddress({ link: 'lo', ip: address, prefixBits: ip.includes(':') ? 128 : 32 })
    }
    return netns
  }

  function processIn(netns: Netns): ChildProcess & { readonly pid: number } {
    const child = netns.run(() => spawn('sleep', ['60'], { stdio: 'ignore' }))
    children.push(child)
    if (child.pid === undefined) throw new Error('sleep does not run')
    return child as ChildProcess & { readonly pid: number }
  }

  async function end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  function start(way = byAddress): ProcessResolver {
    resolver = new ProcessResolver({ procDir, way, clock, logger: quietLogger })
    resolver.onChanged((uid) => changed.push(uid))
    return resolver
  }

  function find(ips: readonly string[] = [IP], uid = UID): string | undefined {
    const found = claim(resolver?.find({ uid, ips }), ips)
    found?.close()
    return found?.id
  }

  const refused = (text: string): unknown =>
    expect.objectContaining({ code: 'NOT_FOUND', message: expect.stringContaining(text) })

  describe('by address', () => {
    it.each([[IP], ['fd00::1'], [IP, 'fd00::1']])('are found: %s %s', (...ips) => {
      const netns = namespaceWith(...ips)
      showProcess(processIn(netns).pid)
      showProcess(processIn(namespaceWith('10.0.0.2')).pid)
      start()
      expect(find(ips)).toBe(netns.id)
    })

    it('are found however an address is written', () => {
      const netns = namespaceWith('fd00::1')
      showProcess(processIn(netns).pid)
      start()
      expect(find(['FD00:0:0::0001'])).toBe(netns.id)
    })

    it('are told when they come and go', async () => {
      start()
      expect(find()).toBeUndefined()
      const netns = namespaceWith(IP)
      const child = processIn(netns)
      showProcess(child.pid)
      await clock.advance(RESCAN_MS)
      expect(changed).toEqual([UID])
      expect(find()).toBe(netns.id)
      await end(child)
      await clock.advance(RESCAN_MS)
      expect(changed).toEqual([UID, UID])
      expect(find()).toBeUndefined()
    })

    it('are not told of to those who have stopped looking', async () => {
      start()
      find()
      resolver?.forget(UID)
      showProcess(processIn(namespaceWith(IP)).pid)
      await clock.advance(RESCAN_MS)
      expect(changed).toEqual([])
    })

    it('are nobody’s when two have the address, until one of them is gone', async () => {
      const netns = namespaceWith(IP)
      showProcess(processIn(netns).pid)
      const impostor = processIn(namespaceWith(IP))
      showProcess(impostor.pid)
      start()
      expect(() => find()).toThrow(refused('several network namespaces'))
      await end(impostor)
      await clock.advance(RESCAN_MS)
      expect(changed).toEqual([UID])
      expect(find()).toBe(netns.id)
    })

    it('are nobody’s when the addresses of one pod are in two', () => {
      showProcess(processIn(namespaceWith(IP)).pid)
      showProcess(processIn(namespaceWith('fd00::1')).pid)
      start()
      expect(() => find([IP, 'fd00::1'])).toThrow(refused('several network namespaces'))
    })

    it('are never the node’s own', () => {
      const own = currentNetns()
      const ip = new Routes(own).addresses()[0]?.ip ?? ''
      own.close()
      start()
      expect(() => find([ip])).toThrow(refused("the node's own"))
    })

    it('are not looked for without an address', () => {
      showProcess(processIn(namespaceWith(IP)).pid)
      start()
      expect(find([])).toBeUndefined()
    })

    it('are taken from the next process when the first has left', async () => {
      const netns = namespaceWith(IP)
      const [first, second] = [processIn(netns), processIn(netns)]
      showProcess(first.pid)
      showProcess(second.pid)
      start()
      await end(first)
      expect(find()).toBe(netns.id)
    })
  })

  describe('by cgroup', () => {
    const cgroup = `0::/kubepods/pod${UID}/x\n`

    it('are those of the oldest process, for a pod may make others for itself', () => {
      const netns = namespaceWith(IP)
      showProcess(processIn(netns).pid, { cgroup, startedAt: 10 })
      showProcess(processIn(namespaceWith('10.0.0.9')).pid, { cgroup, startedAt: 20 })
      start(byCgroup)
      expect(find()).toBe(netns.id)
    })

    it('are the pod’s although another has taken its address', () => {
      const netns = namespaceWith(IP)
      showProcess(processIn(netns).pid, { cgroup })
      showProcess(processIn(namespaceWith(IP)).pid)
      start(byCgroup)
      expect(find()).toBe(netns.id)
    })

    it('are not the pod’s when they lack its address', () => {
      showProcess(processIn(namespaceWith('10.0.0.9')).pid, { cgroup })
      start(byCgroup)
      expect(() => find()).toThrow(refused('none of its addresses'))
    })

    it('are not there while the pod has only processes in the node’s own', () => {
      rmSync(join(procDir, '1'), { recursive: true })
      showProcess(1, { cgroup, of: process.pid })
      start(byCgroup)
      expect(find()).toBeUndefined()
    })
  })

  it('are not looked for where there are no processes', () => {
    rmSync(join(procDir, '1'), { recursive: true })
    expect(() => start()).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})
