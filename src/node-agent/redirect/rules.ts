import { type Cidr, type IpAddress, type IpFamily, parseCidr, parseIp } from '#shared/net'
import { type MarkRule, type NftChain, type NftRule, type NftTable, nft, type Route } from '#shared/sys'

/** What of a pod's traffic goes through the tunnel; outbound TCP always does. */
export interface CaptureMode {
  /** `bypassed`: connections to the pod reach it directly, as an ingress gateway needs it. */
  readonly inbound: 'captured' | 'bypassed'
  /** Whether the tunnel answers the pod's DNS queries. */
  readonly isDnsCaptured: boolean
  /** TCP that comes in by these interfaces is treated as outbound: virtual machines inside the pod. */
  readonly virtualInterfaces: readonly string[]
}

/** Everything that redirects a pod, in both families: the table, and how answers of spoofed connections come back. */
export interface RedirectPlan {
  readonly table: NftTable
  readonly rules: readonly MarkRule[]
  readonly routes: readonly Route[]
}

export const TABLE_FAMILY = 'inet'
export const TABLE_NAME = 'ambit'

/** Port numbers of the tunnel's listeners in the pod (hbone-and-ztunnel g.4). */
const OUTBOUND_PORT = 15_001
const INBOUND_PORT = 15_006
const HBONE_PORT = 15_008
const DNS_PROXY_PORT = 15_053
const DNS_PORT = 53

/** Of packets that the tunnel sends. */
const TUNNEL_MARK = 0x539
/** Of connections that the tunnel has made with a client's address: their answers belong to the tunnel. */
const ANSWER_MARK = 0x111
const MARK_MASK = 0xfff

/** Keeps the tunnel's own DNS queries apart from the pod's equal ones. */
const TUNNEL_DNS_ZONE = 1

const ROUTE_TABLE = 100
const RULE_PRIORITY = 32_764

/** What differs between the families; kubelet's probes come from `probeSource`, set by the host. */
const families = [
  { family: 4, loopback: ip('127.0.0.1'), probeSource: ip('169.254.7.127'), everything: cidr('0.0.0.0/0') },
  {
    family: 6,
    loopback: ip('::1'),
    probeSource: ip('fd16:9254:7127:1337:ffff:ffff:ffff:ffff'),
    everything: cidr('::/0'),
  },
] as const satisfies readonly FamilyFacts[]

interface FamilyFacts {
  readonly family: IpFamily
  readonly loopback: IpAddress
  readonly probeSource: IpAddress
  readonly everything: Cidr
}

const fromTunnel = nft.markIs(TUNNEL_MARK, MARK_MASK)
const notFromTunnel = nft.markIsNot(TUNNEL_MARK, MARK_MASK)
const tcp = nft.protocolIs('tcp')
const udp = nft.protocolIs('udp')

/**
 * The capture rules of one pod, as Istio's node agent writes them (istio-control-plane a.2), in one table of both
 * families. Pure: the same mode gives equal data.
 *
 * ```
 * in   ─▶ prerouting ─▶ marked by the tunnel: remember the connection by 0x111
 *                    └▶ TCP, not for 15008 → 15006
 * out  ─▶ output     ─▶ answer of a remembered connection: marked 0x111, routed to `lo` by table 100
 *                    └▶ TCP, not to loopback, not by the tunnel → 15001
 * ```
 * @param routed families whose answers can be routed; IPv6 may be switched off in a pod
 */
export function planRedirect(mode: CaptureMode, routed: readonly IpFamily[]): RedirectPlan {
  const table: NftTable = {
    family: TABLE_FAMILY,
    name: TABLE_NAME,
    chains: [
      ...(mode.isDnsCaptured ? rawChains() : []),
      {
        name: 'mangle-prerouting',
        base: { type: 'filter', hook: 'prerouting', priority: -150, policy: 'accept' },
        rules: [nft.rule('connection of the tunnel', fromTunnel, nft.setConnectionMark(ANSWER_MARK, MARK_MASK))],
      },
      {
        name: 'mangle-output',
        base: { type: 'route', hook: 'output', priority: -150, policy: 'accept' },
        rules: [nft.rule('answer to the tunnel', nft.connectionMarkIs(ANSWER_MARK, MARK_MASK), nft.restoreMark())],
      },
      {
        name: 'nat-prerouting',
        base: { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' },
        rules: inboundRules(mode),
      },
      {
        name: 'nat-output',
        base: { type: 'nat', hook: 'output', priority: -100, policy: 'accept' },
        rules: outboundRules(mode),
      },
    ],
  }
  const ways = families.filter(({ family }) => routed.includes(family))
  return {
    table,
    rules: ways.map(({ family }) => ({
      family,
      priority: RULE_PRIORITY,
      mark: ANSWER_MARK,
      mask: MARK_MASK,
      table: ROUTE_TABLE,
    })),
    routes: ways.map(({ everything }) => ({
      type: 'local',
      destination: everything,
      via: undefined,
      link: 'lo',
      table: ROUTE_TABLE,
    })),
  }
}

function inboundRules(mode: CaptureMode): NftRule[] {
  const virtual = mode.virtualInterfaces.map((name) =>
    nft.rule(`from ${name}`, nft.interfaceIs('input', name), tcp, nft.redirectTo(OUTBOUND_PORT)),
  )
  if (mode.inbound === 'bypassed') return virtual
  return [
    ...virtual,
    ...perFamily(({ family, probeSource }) =>
      nft.rule('kubelet probe', nft.familyIs(family), nft.addressIs('source', probeSource), tcp, nft.accept()),
    ),
    ...perFamily(({ family, loopback }) =>
      nft.rule(
        'inbound',
        nft.familyIs(family),
        nft.addressIsNot('destination', loopback),
        tcp,
        nft.portIsNot('destination', HBONE_PORT),
        notFromTunnel,
        nft.redirectTo(INBOUND_PORT),
      ),
    ),
  ]
}

function outboundRules(mode: CaptureMode): NftRule[] {
  return [
    ...perFamily(({ family, probeSource }) =>
      nft.rule('probe answer', nft.familyIs(family), nft.addressIs('destination', probeSource), tcp, nft.accept()),
    ),
    ...(mode.isDnsCaptured ? dnsRules() : []),
    nft.rule('answer to the tunnel', tcp, nft.markIs(ANSWER_MARK, MARK_MASK), nft.accept()),
    ...perFamily(({ family, loopback }) =>
      nft.rule(
        'to itself',
        nft.familyIs(family),
        nft.addressIsNot('destination', loopback),
        nft.interfaceIs('output', 'lo'),
        nft.accept(),
      ),
    ),
    ...perFamily(({ family, loopback }) =>
      nft.rule(
        'outbound',
        nft.familyIs(family),
        nft.addressIsNot('destination', loopback),
        tcp,
        notFromTunnel,
        nft.redirectTo(OUTBOUND_PORT),
      ),
    ),
  ]
}

function dnsRules(): NftRule[] {
  const toDns = nft.portIs('destination', DNS_PORT)
  return [
    nft.rule('DNS', nft.interfaceIsNot('output', 'lo'), udp, toDns, notFromTunnel, nft.redirectTo(DNS_PROXY_PORT)),
    ...perFamily(({ family, loopback }) =>
      nft.rule(
        'DNS by TCP',
        nft.familyIs(family),
        nft.addressIsNot('destination', loopback),
        tcp,
        toDns,
        notFromTunnel,
        nft.redirectTo(DNS_PROXY_PORT),
      ),
    ),
  ]
}

function rawChains(): NftChain[] {
  const zone = nft.setConnectionZone(TUNNEL_DNS_ZONE)
  return [
    {
      name: 'raw-prerouting',
      base: { type: 'filter', hook: 'prerouting', priority: -300, policy: 'accept' },
      rules: [
        nft.rule('answer to a DNS query of the tunnel', udp, nft.portIs('source', DNS_PORT), notFromTunnel, zone),
      ],
    },
    {
      name: 'raw-output',
      base: { type: 'filter', hook: 'output', priority: -300, policy: 'accept' },
      rules: [nft.rule('DNS query of the tunnel', udp, nft.portIs('destination', DNS_PORT), fromTunnel, zone)],
    },
  ]
}

function perFamily(rule: (facts: FamilyFacts) => NftRule): NftRule[] {
  return families.map((facts) => {
    const made = rule(facts)
    return { ...made, comment: `${made.comment}, IPv${facts.family}` }
  })
}

function ip(text: string): IpAddress {
  return parseIp(text) as IpAddress
}

function cidr(text: string): Cidr {
  return parseCidr(text) as Cidr
}
