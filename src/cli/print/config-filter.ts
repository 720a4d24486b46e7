import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import type { ConfigDump } from './config-dump.ts'

/** What of a dump is shown; undefined: all. */
export interface ConfigFilter {
  readonly workloadNamespace?: string
  readonly workloadNode?: string
  readonly address?: string
  readonly serviceNamespace?: string
  readonly policyNamespace?: string
  readonly direction?: 'inbound' | 'outbound'
}

/**
 * A tunnel's `/config_dump`. What is a list in one version is an object by key in another.
 * @throws MeshError when it is neither
 */
export function readConfigDump(text: string): ConfigDump {
  let dump: unknown
  try {
    dump = JSON.parse(text)
  } catch {
    // Told below.
  }
  if (!isRecord(dump)) throw new MeshError('COMMAND_FAILED', 'that is no config dump of a ztunnel')
  const { workloadState = dump.workloadstate } = dump
  const lists = {
    workloads: listOf(dump.workloads),
    services: listOf(dump.services),
    policies: listOf(dump.policies),
    certificates: listOf(dump.certificates),
    ...(isRecord(workloadState) ? { workloadState } : {}),
  }
  // The records inside are Istio's contract; a key that is missing shows as an empty cell.
  return lists as unknown as ConfigDump
}

export function filterDump(dump: ConfigDump, filter: ConfigFilter): ConfigDump {
  const { workloadNamespace, workloadNode, address, serviceNamespace, policyNamespace, direction } = filter
  const states = Object.entries(dump.workloadState ?? {})
    .filter(([, { info }]) => isAsked(workloadNamespace, info?.namespace))
    .map(([uid, state]) => [uid, onlyDirection(state, direction)] as const)
  return {
    certificates: dump.certificates,
    workloads: dump.workloads.filter(
      ({ namespace, node, workloadIps }) =>
        isAsked(workloadNamespace, namespace) &&
        isAsked(workloadNode, node) &&
        (address === undefined || workloadIps.includes(address)),
    ),
    services: dump.services.filter(({ namespace }) => isAsked(serviceNamespace, namespace)),
    policies: dump.policies.filter(({ namespace }) => isAsked(policyNamespace, namespace)),
    ...(dump.workloadState === undefined ? {} : { workloadState: Object.fromEntries(states) }),
  }
}

type WorkloadState = NonNullable<ConfigDump['workloadState']>[string]

function onlyDirection(state: WorkloadState, direction: ConfigFilter['direction']): WorkloadState {
  const { connections } = state
  if (connections === undefined || direction === undefined) return state
  const { inbound, outbound } = connections
  const kept = direction === 'inbound' ? { inbound, outbound: [] } : { inbound: [], outbound }
  return { ...state, connections: kept }
}

function isAsked(wanted: string | undefined, given: string | undefined): boolean {
  return wanted === undefined || wanted === given
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  return isRecord(value) ? Object.values(value) : []
}
