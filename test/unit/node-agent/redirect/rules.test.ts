import { describe, expect, it } from 'vitest'
import type { NftExpression, NftTable } from '#shared/sys'
import { planRedirect } from '../../../../src/node-agent/redirect/rules.ts'

/** A rule's instructions in one line, registers left out where they say nothing. */
function line(expressions: readonly NftExpression[]): string {
  return expressions.map(word).join(' ')
}

function word(e: NftExpression): string {
  switch (e.kind) {
    case 'payload':
      return `${e.base}@${e.offsetBytes}+${e.lengthBytes}`
    case 'bitwise':
      return `&${e.mask}^${e.xor}`
    case 'cmp':
      return `${e.op}${e.value.replace(/(00){8,}$/, '…')}`
    case 'immediate':
      return e.value
    case 'verdict':
      return e.verdict
    case 'redirect':
      return '→ port'
    case 'meta':
    case 'set meta':
    case 'ct':
    case 'set ct':
      return `${e.kind} ${e.key}`
    default:
      return e.kind
  }
}

function print({ chains }: NftTable): string {
  return chains
    .map(({ name, base, rules }) => {
      const head = `${name}: ${base?.type} ${base?.hook} ${base?.priority} ${base?.policy}`
      return [head, ...rules.map(({ comment, expressions }) => `  ${line(expressions)}  # ${comment}`)].join('\n')
    })
    .join('\n')
}

describe('the redirect as data', () => {
  it('is Istio’s, for a pod that is captured both ways', () => {
    const { table, rules, routes } = planRedirect(
      { inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] },
      [4, 6],
    )
    expect(`${table.family} ${table.name}`).toBe('inet ambit')
    expect(print(table)).toMatchInlineSnapshot(`
      "mangle-prerouting: filter prerouting -150 accept
        meta mark &ff0f0000^00000000 ==39050000 ct mark &00f0ffff^11010000 set ct mark  # connection of the tunnel
      mangle-output: route output -150 accept
        ct mark &ff0f0000^00000000 ==11010000 ct mark set meta mark  # answer to the tunnel
      nat-prerouting: nat prerouting -100 accept
        meta network protocol ==02 network@12+4 ==a9fe077f meta transport protocol ==06 accept  # kubelet probe, IPv4
        meta network protocol ==0a network@8+16 ==fd16925471271337ffffffffffffffff meta transport protocol ==06 accept  # kubelet probe, IPv6
        meta network protocol ==02 network@16+4 !=7f000001 meta transport protocol ==06 transport@2+2 !=3aa0 meta mark &ff0f0000^00000000 !=39050000 3a9e → port  # inbound, IPv4
        meta network protocol ==0a network@24+16 !=00000000000000000000000000000001 meta transport protocol ==06 transport@2+2 !=3aa0 meta mark &ff0f0000^00000000 !=39050000 3a9e → port  # inbound, IPv6
      nat-output: nat output -100 accept
        meta network protocol ==02 network@16+4 ==a9fe077f meta transport protocol ==06 accept  # probe answer, IPv4
        meta network protocol ==0a network@24+16 ==fd16925471271337ffffffffffffffff meta transport protocol ==06 accept  # probe answer, IPv6
        meta transport protocol ==06 meta mark &ff0f0000^00000000 ==11010000 accept  # answer to the tunnel
        meta network protocol ==02 network@16+4 !=7f000001 meta output interface ==6c6f… accept  # to itself, IPv4
        meta network protocol ==0a network@24+16 !=00000000000000000000000000000001 meta output interface ==6c6f… accept  # to itself, IPv6
        meta network protocol ==02 network@16+4 !=7f000001 meta transport protocol ==06 meta mark &ff0f0000^00000000 !=39050000 3a99 → port  # outbound, IPv4
        meta network protocol ==0a network@24+16 !=00000000000000000000000000000001 meta transport protocol ==06 meta mark &ff0f0000^00000000 !=39050000 3a99 → port  # outbound, IPv6"
    `)
    expect(rules).toEqual([
      { family: 4, priority: 32_764, mark: 0x111, mask: 0xfff, table: 100 },
      { family: 6, priority: 32_764, mark: 0x111, mask: 0xfff, table: 100 },
    ])
    expect(
      routes.map(({ type, destination, link, table: number }) => [
        type,
        destination.family,
        destination.prefixBits,
        link,
        number,
      ]),
    ).toEqual([
      ['local', 4, 0, 'lo', 100],
      ['local', 6, 0, 'lo', 100],
    ])
  })

  it('adds DNS and virtual interfaces, and leaves inbound alone, when asked', () => {
    const { table } = planRedirect({ inbound: 'bypassed', isDnsCaptured: true, virtualInterfaces: ['tap0'] }, [4])
    expect(print(table)).toMatchInlineSnapshot(`
      "raw-prerouting: filter prerouting -300 accept
        meta transport protocol ==11 transport@0+2 ==0035 meta mark &ff0f0000^00000000 !=39050000 0100 set ct zone  # answer to a DNS query of the tunnel
      raw-output: filter output -300 accept
        meta transport protocol ==11 transport@2+2 ==0035 meta mark &ff0f0000^00000000 ==39050000 0100 set ct zone  # DNS query of the tunnel
      mangle-prerouting: filter prerouting -150 accept
        meta mark &ff0f0000^00000000 ==39050000 ct mark &00f0ffff^11010000 set ct mark  # connection of the tunnel
      mangle-output: route output -150 accept
        ct mark &ff0f0000^00000000 ==11010000 ct mark set meta mark  # answer to the tunnel
      nat-prerouting: nat prerouting -100 accept
        meta input interface ==74617030… meta transport protocol ==06 3a99 → port  # from tap0
      nat-output: nat output -100 accept
        meta network protocol ==02 network@16+4 ==a9fe077f meta transport protocol ==06 accept  # probe answer, IPv4
        meta network protocol ==0a network@24+16 ==fd16925471271337ffffffffffffffff meta transport protocol ==06 accept  # probe answer, IPv6
        meta output interface !=6c6f… meta transport protocol ==11 transport@2+2 ==0035 meta mark &ff0f0000^00000000 !=39050000 3acd → port  # DNS
        meta network protocol ==02 network@16+4 !=7f000001 meta transport protocol ==06 transport@2+2 ==0035 meta mark &ff0f0000^00000000 !=39050000 3acd → port  # DNS by TCP, IPv4
        meta network protocol ==0a network@24+16 !=00000000000000000000000000000001 meta transport protocol ==06 transport@2+2 ==0035 meta mark &ff0f0000^00000000 !=39050000 3acd → port  # DNS by TCP, IPv6
        meta transport protocol ==06 meta mark &ff0f0000^00000000 ==11010000 accept  # answer to the tunnel
        meta network protocol ==02 network@16+4 !=7f000001 meta output interface ==6c6f… accept  # to itself, IPv4
        meta network protocol ==0a network@24+16 !=00000000000000000000000000000001 meta output interface ==6c6f… accept  # to itself, IPv6
        meta network protocol ==02 network@16+4 !=7f000001 meta transport protocol ==06 meta mark &ff0f0000^00000000 !=39050000 3a99 → port  # outbound, IPv4
        meta network protocol ==0a network@24+16 !=00000000000000000000000000000001 meta transport protocol ==06 meta mark &ff0f0000^00000000 !=39050000 3a99 → port  # outbound, IPv6"
    `)
  })

  it('routes only the families that the pod has', () => {
    const { rules, routes } = planRedirect({ inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] }, [4])
    expect([rules.length, routes.length]).toEqual([1, 1])
  })
})
