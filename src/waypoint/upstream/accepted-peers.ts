import { MeshError } from '#shared/errors'
import { parseSpiffeId, type Service, type SpiffeId, type Workload, workloadIdentity } from '#shared/model'

/** Whom a service names by SPIFFE. */
export function namedPeers(service: Service | undefined): readonly SpiffeId[] {
  return service?.subjectAltNames.flatMap((name) => parseSpiffeId(name) ?? []) ?? []
}

/**
 * Who may answer for a workload: whom its service names, and itself.
 *
 * @throws MeshError `PEER_UNVERIFIED` when that is nobody
 */
export function acceptedPeers(workload: Workload, service: Service | undefined): readonly SpiffeId[] {
  const own = workloadIdentity(workload)
  const accepted = [...new Set(own === undefined ? namedPeers(service) : [...namedPeers(service), own])]
  if (accepted.length > 0) return accepted
  throw new MeshError('PEER_UNVERIFIED', `no identity is known for workload ${workload.uid}`)
}
