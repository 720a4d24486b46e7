import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import { table } from './table.ts'

/** What one proxy has of one type. */
export interface ProxyType {
  readonly type: string
  readonly sent: string
  readonly acked: string
  readonly state: 'SYNCED' | 'STALE' | 'NACKED' | 'NOT SENT'
  /** Ms since the first change that the proxy has not answered; undefined when the control plane does not say. */
  readonly lagMs: number | undefined
  /** Why the proxy refused something; empty unless `NACKED`. */
  readonly reason: string
}

export interface ProxySync {
  /** `POD.NAMESPACE`. */
  readonly name: string
  /** `ztunnel`, `waypoint`, `router`, `sidecar`. */
  readonly kind: string
  readonly node: string
  readonly cluster: string
  readonly version: string
  readonly istiod: string
  readonly types: readonly ProxyType[]
}

/** Keys of Istio's dump → the types behind them. */
const ISTIO_TYPES = [
  ['cluster', 'CDS'],
  ['listener', 'LDS'],
  ['endpoint', 'EDS'],
  ['route', 'RDS'],
  ['extensionconfig', 'ECDS'],
] as const

const STATES: ReadonlySet<unknown> = new Set<ProxyType['state']>(['SYNCED', 'STALE', 'NACKED', 'NOT SENT'])

/**
 * Clients of a control plane's `/debug/syncz`: istiod-lite's, which has a list of types beside Istio's keys, or
 * Istio's, which has a pair of keys for each type and a map of all others.
 * @param istiod which control plane said so
 * @throws MeshError when it is none of them
 */
export function readSyncz(text: string, istiod: string): readonly ProxySync[] {
  let dump: unknown
  try {
    dump = JSON.parse(text)
  } catch {
    // Told below.
  }
  if (!Array.isArray(dump)) throw new MeshError('COMMAND_FAILED', `that is no list of proxies of ${istiod}`)
  return records(dump).map((client) => {
    const types = Array.isArray(client.types) ? ownTypes(client.types) : istioTypes(client)
    // `KIND~ADDRESS~NAME~DOMAIN`, or the name alone.
    const [first = '', , third] = textOf(client.proxy).split('~')
    return {
      name: third ?? first,
      kind: third === undefined ? textOf(client.proxy_type) : first,
      node: textOf(client.nodeName),
      cluster: textOf(client.cluster_id),
      version: textOf(client.istio_version),
      istiod,
      types,
    }
  })
}

/** One line for each type of each proxy. */
export function proxyTable(proxies: readonly ProxySync[]): string {
  const rows = proxies.flatMap(({ types, ...proxy }) => {
    const known: readonly (ProxyType | undefined)[] = types.length === 0 ? [undefined] : types
    return known.map((type) => {
      const { name, kind, node, cluster, istiod, version } = proxy
      const progress = [
        type?.type ?? '',
        type?.sent ?? '',
        type?.acked ?? '',
        type?.state ?? 'NOT SENT',
        lagText(type?.lagMs),
      ]
      return [
        ...[name, kind, node, cluster, ...progress, istiod, version].map((cell) => cell || '-'),
        type?.reason ?? '',
      ]
    })
  })
  const head = ['NAME', 'KIND', 'NODE', 'CLUSTER', 'TYPE', 'SENT', 'ACKED', 'STATUS', 'LAG', 'ISTIOD', 'VERSION', '']
  return table(head, rows)
}

function ownTypes(types: readonly unknown[]): readonly ProxyType[] {
  return records(types).map(({ typeUrl, state, lagMs, sentNonce, ackedNonce, refusal }) => ({
    type: shortType(textOf(typeUrl)),
    sent: textOf(sentNonce),
    acked: textOf(ackedNonce),
    state: isState(state) ? state : 'NOT SENT',
    lagMs: typeof lagMs === 'number' ? lagMs : undefined,
    reason: isRecord(refusal) ? textOf(refusal.message) : '',
  }))
}

function lagText(lagMs: number | undefined): string {
  return lagMs === undefined ? '' : `${lagMs}ms`
}

function isState(value: unknown): value is ProxyType['state'] {
  return STATES.has(value)
}

function istioTypes(client: Readonly<Record<string, unknown>>): readonly ProxyType[] {
  const pairs = ISTIO_TYPES.map(
    ([key, type]) => [type, textOf(client[`${key}_sent`]), textOf(client[`${key}_acked`]), ''] as const,
  )
  const others = Object.entries(isRecord(client.resources) ? client.resources : {}).map(([typeUrl, status]) => {
    const { sent, acked, lastError } = isRecord(status) ? status : {}
    return [shortType(typeUrl), textOf(sent), textOf(acked), textOf(lastError)] as const
  })
  return [...pairs, ...others]
    .filter(([, sent, acked]) => sent !== '' || acked !== '')
    .map(([type, sent, acked, reason]) => ({
      type,
      sent,
      acked,
      state: stateOf(sent, acked, reason),
      lagMs: undefined,
      reason,
    }))
}

function stateOf(sent: string, acked: string, reason: string): ProxyType['state'] {
  if (reason !== '') return 'NACKED'
  return sent === acked ? 'SYNCED' : 'STALE'
}

/** `type.googleapis.com/istio.workload.Address` → `Address`. */
function shortType(typeUrl: string): string {
  return typeUrl.split('/').at(-1)?.split('.').at(-1) ?? typeUrl
}

function records(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
