import { describe, expect, it } from 'vitest'
import { MAX_NODES, planFabric, planNode, podAddress } from '../../../../src/local/network/address-plan.ts'
import { HostNumbers } from '../../../../src/local/network/index.ts'

describe('the address plan', () => {
  it('gives each node a name, an address of each family, and networks of its own for pods', () => {
    expect(planNode(2, [4, 6])).toEqual({
      name: 'node-b',
      number: 2,
      addresses: [
        { ip: '10.243.0.3', prefixBits: 24 },
        { ip: 'fd00:10:243::3', prefixBits: 64 },
      ],
      podCidrs: ['10.244.2.0/24', 'fd00:10:244:2::/64'],
    })
  })

  it('gives the fabric the first address', () => {
    expect(planFabric([4, 6]).addresses.map(({ ip }) => ip)).toEqual(['10.243.0.1', 'fd00:10:243::1'])
  })

  it('never gives one name or address twice, and none of them is the broadcast address', () => {
    const nodes = Array.from({ length: MAX_NODES }, (_, i) => planNode(i + 1, [4, 6]))
    const addresses = nodes.flatMap((node) => node.addresses.map(({ ip }) => ip))
    expect(new Set(nodes.map(({ name }) => name)).size).toBe(MAX_NODES)
    expect(new Set(addresses).size).toBe(MAX_NODES * 2)
    expect(addresses).not.toContain('10.243.0.255')
    expect(nodes.at(-1)?.name).toBe('node-is')
  })

  it('makes pod addresses from the number of the node and of the pod', () => {
    expect([podAddress(planNode(1, [4, 6]), 4, 2), podAddress(planNode(26, [4, 6]), 6, 254)]).toEqual([
      '10.244.1.2',
      'fd00:10:244:1a::fe',
    ])
  })
})

describe('host numbers', () => {
  it('go round, so that a number is not used again at once', () => {
    const numbers = new HostNumbers(2, 4, 'pods')
    const first = numbers.take()
    numbers.release(first)
    expect([first, numbers.take(), numbers.take(), numbers.take()]).toEqual([2, 3, 4, 2])
  })

  it('run out with a word about whom for', () => {
    const numbers = new HostNumbers(1, 1, 'pods on node-a')
    numbers.take()
    expect(() => numbers.take()).toThrow('no address is left for pods on node-a')
  })
})
