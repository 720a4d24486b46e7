import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type IpAddress, parseIp } from '#shared/net'
import { createNetns, currentNetns, type Netns, Nftables, type NftTable, nft } from '#shared/sys'
import { requirePrivileges } from '../../../support/privileges.ts'

const ip = (text: string): IpAddress => parseIp(text) as IpAddress

/** Every statement there is, in chains where the kernel allows it. */
const everything: NftTable = {
  family: 'inet',
  name: 'everything',
  chains: [
    {
      name: 'mangle-prerouting',
      base: { type: 'filter', hook: 'prerouting', priority: -150, policy: 'accept' },
      rules: [
        nft.rule('mark the connection', nft.markIs(0x539, 0xfff), nft.setConnectionMark(0x111, 0xfff)),
        nft.rule('zone', nft.protocolIs('udp'), nft.portIs('source', 53), nft.setConnectionZone(1)),
        nft.rule('mark', nft.interfaceIs('input', 'lo'), nft.setMark(7), nft.count()),
      ],
    },
    {
      name: 'mangle-output',
      base: { type: 'route', hook: 'output', priority: -150, policy: 'accept' },
      rules: [nft.rule('restore', nft.connectionMarkIs(0x111, 0xfff), nft.restoreMark())],
    },
    {
      name: 'nat-output',
      base: { type: 'nat', hook: 'output', priority: -100, policy: 'accept' },
      rules: [
        nft.rule('v4', nft.familyIs(4), nft.addressIsNot('destination', ip('127.0.0.1')), nft.accept()),
        nft.rule('v6', nft.familyIs(6), nft.addressIs('source', ip('fd00::'), 12), nft.accept()),
        nft.rule('v4 net', nft.familyIs(4), nft.addressIs('source', ip('10.1.2.3'), 20), nft.accept()),
        nft.rule('redirect', nft.protocolIs('tcp'), nft.portIsNot('destination', 15008), nft.redirectTo(15001)),
        nft.rule('away', nft.interfaceIsNot('output', 'lo'), nft.markIsNot(1, 3), nft.jump('service')),
      ],
    },
    {
      name: 'nat-postrouting',
      base: { type: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' },
      rules: [nft.rule('own address', nft.masquerade())],
    },
    {
      name: 'filter-output',
      base: { type: 'filter', hook: 'output', priority: 0, policy: 'drop' },
      rules: [
        nft.rule('no', nft.protocolIs('tcp'), nft.portIs('destination', 1), nft.rejectWithReset()),
        nft.rule('never', nft.drop()),
      ],
    },
    {
      name: 'service',
      base: undefined,
      rules: [
        nft.rule('v4', nft.familyIs(4), nft.protocolIs('tcp'), nft.oneIn(2), nft.destinationNat(ip('10.0.0.1'), 80)),
        nft.rule('v6', nft.familyIs(6), nft.protocolIs('tcp'), nft.destinationNat(ip('fd00::1'), 8080)),
      ],
    },
  ],
}

describe.runIf(requirePrivileges())('nf_tables of a namespace', () => {
  let netns: Netns
  let nftables: Nftables

  beforeEach(() => {
    netns = createNetns()
    nftables = new Nftables(netns)
  })

  afterEach(() => netns.close())

  it('reads back exactly what was written', () => {
    nftables.replace(everything)
    expect(nftables.read('inet', 'everything')).toEqual(everything)
    expect(nftables.names('inet')).toEqual(['everything'])
  })

  it('puts a table in the place of the one before', () => {
    nftables.replace(everything)
    const smaller: NftTable = { ...everything, chains: everything.chains.slice(0, 1) }
    nftables.replace(smaller)
    nftables.replace(smaller)
    expect(nftables.read('inet', 'everything')).toEqual(smaller)
  })

  it('keeps tables of other names and families apart', () => {
    const ip4: NftTable = { family: 'ip', name: 'everything', chains: [] }
    const other: NftTable = { family: 'inet', name: 'other', chains: everything.chains.slice(0, 1) }
    for (const table of [everything, ip4, other]) nftables.replace(table)
    for (const table of [everything, ip4, other]) expect(nftables.read(table.family, table.name)).toEqual(table)
    nftables.remove('inet', 'everything')
    expect(nftables.names('inet')).toEqual(['other'])
    expect(nftables.names('ip')).toEqual(['everything'])
  })

  it('removes a table, also one that is not there', () => {
    nftables.replace(everything)
    nftables.remove('inet', 'everything')
    nftables.remove('inet', 'everything')
    expect(nftables.read('inet', 'everything')).toBeUndefined()
    expect(nftables.names('inet')).toEqual([])
  })

  it('changes nothing when one rule of a batch is refused, and names that rule', () => {
    nftables.replace(everything)
    const broken: NftTable = {
      family: 'inet',
      name: 'everything',
      chains: [
        {
          name: 'nat-output',
          base: { type: 'nat', hook: 'output', priority: -100, policy: 'accept' },
          rules: [nft.rule('fine', nft.accept()), nft.rule('to nowhere', nft.jump('missing'))],
        },
      ],
    }
    expect(() => nftables.replace(broken)).toThrow(
      expect.objectContaining({
        code: 'NETLINK_REJECTED',
        request: 'add rule 2 (to nowhere) to chain nat-output of table everything',
        errno: 'ENOENT',
      }),
    )
    expect(nftables.read('inet', 'everything')).toEqual(everything)
  })

  it('takes a table of eight hundred rules in one transaction', () => {
    const rules = Array.from({ length: 800 }, (_, i) =>
      nft.rule(`port ${i}`, nft.protocolIs('tcp'), nft.portIs('destination', i), nft.redirectTo(15001)),
    )
    const [, , chain] = everything.chains
    const big: NftTable = { ...everything, chains: [{ ...(chain as NftTable['chains'][number]), rules }] }
    nftables.replace(big)
    expect(nftables.read('inet', 'everything')).toEqual(big)
  })

  it('does not touch the namespace of this process', () => {
    const own = currentNetns()
    const before = new Nftables(own).names('inet')
    nftables.replace(everything)
    expect(new Nftables(own).names('inet')).toEqual(before)
    own.close()
  })
})
