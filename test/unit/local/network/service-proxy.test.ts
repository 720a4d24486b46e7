import { describe, expect, it } from 'vitest'
import { parseSocketAddress, type SocketAddress } from '#shared/net'
import { planServices } from '../../../../src/local/network/index.ts'

function at(text: string): SocketAddress {
  const parsed = parseSocketAddress(text)
  if (parsed === undefined) throw new TypeError(text)
  return parsed
}

const web = {
  service: 'shop/web',
  protocol: 'tcp',
  address: at('10.96.1.0:80'),
  endpoints: [at('10.244.1.2:8080'), at('10.244.2.2:8080'), at('10.244.1.3:8080')],
  source: 'kept',
} as const

describe('the service table of a node', () => {
  it('lets each endpoint take its share of what those before it left', () => {
    const chain = planServices([web]).chains.find(({ name }) => name === 'port-0')
    const shares = chain?.rules.map((rule) => rule.expressions.find((each) => each.kind === 'numgen')?.modulus)
    expect(shares).toEqual([3, 2, undefined])
  })

  it('has no rule for a port without endpoints, so that it has no route', () => {
    const { chains } = planServices([{ ...web, endpoints: [] }])
    expect(chains.flatMap(({ rules }) => rules.filter((rule) => rule.comment.startsWith('shop')))).toEqual([])
  })

  it('catches what pods send and what the node itself sends', () => {
    const hooks = planServices([web]).chains.flatMap(({ base }) => base?.hook ?? [])
    expect(hooks).toEqual(['prerouting', 'output', 'postrouting'])
  })

  it('hides a pod from itself behind the node, once for each address', () => {
    const twice = [web, { ...web, address: at('10.96.1.1:80') }]
    const rules = planServices(twice).chains.find(({ name }) => name === 'postrouting')?.rules ?? []
    expect(rules.filter(({ comment }) => comment === 'a pod and its own service').length).toBe(3)
    expect(rules.every((rule) => rule.expressions.at(-1)?.kind === 'masquerade')).toBe(true)
  })

  it('stands between endpoints and whoever comes by a node port, and only there', () => {
    const byNode = planServices([{ ...web, address: at('10.243.0.2:30080'), source: 'node' }])
    const marks = (table: typeof byNode): readonly string[] =>
      table.chains
        .filter(({ rules }) => rules.some(({ expressions }) => expressions.some(({ kind }) => kind === 'set ct')))
        .map(({ name }) => name)
    expect(marks(byNode)).toEqual(['port-0'])
    expect(marks(planServices([web]))).toEqual([])
  })

  it('jumps only to chains that are there', () => {
    const { chains } = planServices([{ ...web, endpoints: [] }, web])
    const names = chains.map(({ name }) => name)
    const jumps = chains.flatMap(({ rules }) =>
      rules.flatMap(({ expressions }) => expressions.flatMap((each) => ('chain' in each ? [each.chain] : []))),
    )
    expect(jumps.filter((name) => !names.includes(name))).toEqual([])
  })
})
