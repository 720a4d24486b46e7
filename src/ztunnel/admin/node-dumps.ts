import type { IdentityStatus } from '#shared/identity'
import { formatSocketAddress } from '#shared/net'
import type { CertificateFacts } from '#shared/pki'
import type { WorkloadInfo } from '#shared/zds'
import type { Denial } from '../authz/index.ts'
import type { ConnectionRecord } from '../connections/index.ts'
import type { Json } from './sorted-json.ts'

// Shapes of hbone-and-ztunnel h.4.

/** A pod of this node: `Up` with its listeners open, or `Pending` until they can be. */
export interface DumpedPod {
  readonly uid: string
  readonly info: WorkloadInfo
  readonly state: 'Up' | 'Pending'
}

/** What of a connection is shown. */
export type DumpedConnection = Pick<
  ConnectionRecord,
  'direction' | 'source' | 'originalDestination' | 'actualDestination' | 'protocol'
>

export function dumpCertificate({ identity, state, certificate }: IdentityStatus): Json {
  return {
    identity,
    state,
    certChain: (certificate?.chain ?? []).map(dumpCertificateFacts),
    rootCerts: (certificate?.roots ?? []).map(dumpCertificateFacts),
  }
}

/** @param connections of this pod */
export function dumpPod(
  { info, state }: DumpedPod,
  connections: readonly { readonly record: DumpedConnection }[],
): Json {
  const { name, namespace, serviceAccount } = info
  const records = connections.map(({ record }) => record)
  const going = (direction: DumpedConnection['direction']): Json =>
    records.filter((record) => record.direction === direction).map(dumpConnection)
  return {
    state,
    connections: state === 'Up' ? { inbound: going('inbound'), outbound: going('outbound') } : undefined,
    info: { name, namespace, serviceAccount },
  }
}

/** Not in Istio's dump, whose readers skip what they do not know. */
export function dumpDenial({ atMs, workload, facts, reason, deniedBy, when }: Denial): Json {
  return {
    time: new Date(atMs).toISOString(),
    workload,
    src: formatSocketAddress(facts.source),
    dst: formatSocketAddress(facts.destination),
    identity: facts.peer,
    when,
    reason,
    policy: deniedBy?.policy,
    rule: deniedBy?.rule,
  }
}

function dumpConnection(record: DumpedConnection): Json {
  const { source, originalDestination: original, actualDestination, protocol } = record
  return {
    src: formatSocketAddress(source),
    originalDst: typeof original === 'object' ? formatSocketAddress(original) : (original ?? null),
    actualDst: formatSocketAddress(actualDestination),
    protocol,
  }
}

function dumpCertificateFacts(facts: CertificateFacts): Json {
  return {
    pem: Buffer.from(facts.pem).toString('base64'),
    serialNumber: facts.serialNumber,
    validFrom: wholeSeconds(facts.notBeforeMs),
    expirationTime: wholeSeconds(facts.notAfterMs),
  }
}

/** RFC 3339 in UTC without fractions. */
function wholeSeconds(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`
}
