import type { CertificateManager } from '#shared/identity'
import type { MeshView } from '#shared/mesh-state'
import { type SpiffeId, type Workload, workloadIdentity } from '#shared/model'

/**
 * Gets certificates before a connection needs them: of the workloads of this node that speak HBONE, from when they come
 * until the last one of an account has left (hbone-and-ztunnel c). Without a node name nothing is known to be local.
 *
 * @returns stops watching
 */
export function prefetchCertificates(
  view: MeshView,
  certificates: Pick<CertificateManager, 'warmUp' | 'forget'>,
  nodeName: string | undefined,
): () => void {
  if (nodeName === undefined) return () => {}
  const warm = new Map<string, SpiffeId>()
  const follow = (uid: string, workload: Workload | undefined): void => {
    const isWanted = workload?.node === nodeName && (workload.protocol === 'HBONE' || workload.nativeTunnel)
    const wanted = isWanted ? workloadIdentity(workload) : undefined
    const had = warm.get(uid)
    if (wanted === had) return
    if (wanted === undefined) warm.delete(uid)
    else {
      warm.set(uid, wanted)
      certificates.warmUp(wanted)
    }
    if (had !== undefined) certificates.forget(had)
  }
  for (const workload of view.workloads()) follow(workload.uid, workload)
  return view.onWorkloadsChanged((uids) => {
    for (const uid of uids) follow(uid, view.workloadByUid(uid))
  })
}
