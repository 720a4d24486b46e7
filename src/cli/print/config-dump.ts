import { table } from './table.ts'

/** The part of a tunnel's `/config_dump` that is shown (hbone-and-ztunnel h.4); keys are Istio's. */
export interface ConfigDump {
  readonly workloads: readonly DumpedWorkload[]
  readonly services: readonly DumpedService[]
  readonly policies: readonly DumpedPolicy[]
  readonly certificates: readonly DumpedCertificate[]
  readonly workloadState?: Readonly<Record<string, DumpedWorkloadState>>
}

interface DumpedWorkload {
  readonly uid?: string
  readonly name: string
  readonly namespace: string
  readonly workloadIps: readonly string[]
  readonly node?: string
  readonly waypoint?: DumpedGateway
  readonly protocol: string
  readonly status: string
}

interface DumpedGateway {
  readonly destination: string
}

interface DumpedService {
  readonly name: string
  readonly namespace: string
  readonly vips: readonly string[]
  readonly waypoint?: DumpedGateway
  readonly endpoints?: Readonly<Record<string, { readonly workloadUid: string }>>
}

interface DumpedPolicy {
  readonly name: string
  readonly namespace: string
  readonly action: string
  readonly scope: string
}

interface DumpedCertificate {
  readonly identity: string
  readonly state: string
  readonly certChain: readonly DumpedPem[]
  readonly rootCerts: readonly DumpedPem[]
}

interface DumpedPem {
  readonly serialNumber: string
  readonly validFrom: string
  readonly expirationTime: string
}

interface DumpedWorkloadState {
  readonly state: string
  readonly info?: { readonly name: string; readonly namespace: string }
  readonly connections?: {
    readonly inbound: readonly DumpedConnection[]
    readonly outbound: readonly DumpedConnection[]
  }
}

interface DumpedConnection {
  readonly src: string
  readonly originalDst: string | null
  readonly actualDst: string
  readonly protocol: string
}

export const KINDS = ['workloads', 'services', 'policies', 'certificates', 'connections'] as const
export type ConfigKind = (typeof KINDS)[number]

/** The part of the dumps of one kind, as it stands there. */
export function configValues(kind: ConfigKind, dumps: readonly ConfigDump[]): readonly unknown[] {
  if (kind !== 'connections') return dumps.flatMap((dump): readonly unknown[] => dump[kind])
  return dumps.flatMap(({ workloadState = {} }) =>
    Object.entries(workloadState).map(([uid, state]) => ({ uid, ...state })),
  )
}

/** The columns of `istioctl ztunnel-config`. */
export function configTable(kind: ConfigKind, dumps: readonly ConfigDump[]): string {
  switch (kind) {
    case 'workloads':
      return table(
        ['NAMESPACE', 'POD NAME', 'ADDRESS', 'NODE', 'WAYPOINT', 'PROTOCOL'],
        dumps.flatMap(({ workloads }) => workloads.map(workloadRow)),
      )
    case 'services':
      return table(
        ['NAMESPACE', 'SERVICE NAME', 'SERVICE VIP', 'WAYPOINT', 'ENDPOINTS'],
        dumps.flatMap(({ services, workloads }) => services.map((service) => serviceRow(service, workloads))),
      )
    case 'policies':
      return table(
        ['NAMESPACE', 'POLICY NAME', 'ACTION', 'SCOPE'],
        dumps.flatMap(({ policies }) =>
          policies.map(({ namespace, name, action, scope }) => [namespace, name, action, scope]),
        ),
      )
    case 'certificates':
      return table(
        ['CERTIFICATE NAME', 'TYPE', 'STATUS', 'SERIAL NUMBER', 'NOT AFTER', 'NOT BEFORE'],
        dumps.flatMap(({ certificates }) => certificates.flatMap(certificateRows)),
      )
    case 'connections':
      return table(
        ['WORKLOAD', 'DIRECTION', 'LOCAL', 'REMOTE', 'REMOTE TARGET', 'PROTOCOL'],
        dumps.flatMap(({ workloadState = {} }) => Object.values(workloadState).flatMap(connectionRows)),
      )
  }
}

function workloadRow({ namespace, name, workloadIps, node, waypoint, protocol }: DumpedWorkload): readonly string[] {
  return [namespace, name, workloadIps[0] ?? '', node ?? '', nameOf(waypoint), protocol]
}

function serviceRow(service: DumpedService, workloads: readonly DumpedWorkload[]): readonly string[] {
  const { namespace, name, vips, waypoint, endpoints = {} } = service
  const uids = Object.values(endpoints).map(({ workloadUid }) => workloadUid)
  const healthy = workloads.filter((each) => each.status === 'Healthy' && uids.includes(each.uid ?? ''))
  return [namespace, name, vipOf(vips), nameOf(waypoint), `${healthy.length}/${uids.length}`]
}

/** `<network>/<address>`; the network is mostly empty. */
function vipOf(vips: readonly string[]): string {
  return (vips[0] ?? '').split('/').at(-1) ?? ''
}

/** `<namespace>/<host>` or `<network>/<address>`, of which the last part's first label says who it is. */
function nameOf(gateway: DumpedGateway | undefined): string {
  if (gateway === undefined) return 'None'
  const name = gateway.destination.split('/').at(-1) ?? ''
  return /^[0-9.:a-f]+$/.test(name) ? name : (name.split('.')[0] ?? name)
}

function certificateRows({ identity, state, certChain, rootCerts }: DumpedCertificate): readonly (readonly string[])[] {
  if (certChain.length === 0) return [[identity, 'Leaf', state]]
  const row = (type: string, pem: DumpedPem): readonly string[] => [
    identity,
    type,
    state,
    BigInt(pem.serialNumber).toString(16),
    pem.expirationTime,
    pem.validFrom,
  ]
  return [
    ...certChain.map((pem, i) => row(i === 0 ? 'Leaf' : 'Intermediate', pem)),
    ...rootCerts.map((pem) => row('Root', pem)),
  ]
}

function connectionRows({ info, connections }: DumpedWorkloadState): readonly (readonly string[])[] {
  const workload = info === undefined ? '' : `${info.name}.${info.namespace}`
  return [
    ...(connections?.inbound ?? []).map(({ src, originalDst, actualDst, protocol }) => [
      workload,
      'Inbound',
      actualDst,
      src,
      originalDst ?? '',
      protocol,
    ]),
    ...(connections?.outbound ?? []).map(({ src, originalDst, actualDst, protocol }) => [
      workload,
      'Outbound',
      src,
      actualDst,
      originalDst ?? '',
      protocol,
    ]),
  ]
}
