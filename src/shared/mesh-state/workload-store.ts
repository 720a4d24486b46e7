import type { Workload } from '#shared/model'
import type { IpAddress } from '#shared/net'
import type { WorkloadInfo } from '#shared/zds'
import { Groups } from './groups.ts'

/** Every workload that the control plane told of, found by uid, address, host name, or as a pod of this node. */
export class WorkloadStore {
  readonly #nodeName: string | undefined
  readonly #byUid = new Map<string, Workload>()
  /** Key `<network>/<ip>`; host-network workloads are not in it, since a node's address is not theirs alone. */
  readonly #byAddress = new Groups<string, Workload>()
  /** Key `<namespace>/<hostname>`. */
  readonly #byHostname = new Groups<string, Workload>()
  /** Key of `localKey`; workloads of this node only. */
  readonly #local = new Groups<string, Workload>()

  /** @param nodeName undefined = the pods of all nodes are found by name */
  constructor(nodeName: string | undefined) {
    this.#nodeName = nodeName
  }

  /** Adds a workload, or replaces the one of the same uid. Returns the one that was replaced. */
  put(workload: Workload): Workload | undefined {
    const old = this.remove(workload.uid)
    this.#byUid.set(workload.uid, workload)
    for (const key of addressKeys(workload)) this.#byAddress.add(key, workload)
    if (workload.hostname !== '') this.#byHostname.add(hostnameKey(workload.namespace, workload.hostname), workload)
    if (this.isLocal(workload)) this.#local.add(localKey(workload), workload)
    return old
  }

  /** Returns what was there. */
  remove(uid: string): Workload | undefined {
    const workload = this.#byUid.get(uid)
    if (workload === undefined) return undefined
    this.#byUid.delete(uid)
    for (const key of addressKeys(workload)) this.#byAddress.remove(key, workload)
    this.#byHostname.remove(hostnameKey(workload.namespace, workload.hostname), workload)
    this.#local.remove(localKey(workload), workload)
    return workload
  }

  byUid(uid: string): Workload | undefined {
    return this.#byUid.get(uid)
  }

  /** Of several that share an address: a pod that speaks HBONE, a pod, one that speaks HBONE, the newest. */
  byIp(network: string, ip: IpAddress): Workload | undefined {
    let best: Workload | undefined
    for (const workload of this.#byAddress.of(addressKey(network, ip))) {
      if (best === undefined || rank(workload) >= rank(best)) best = workload
    }
    return best
  }

  byHostname(namespace: string, hostname: string): Workload | undefined {
    return this.#byHostname.of(hostnameKey(namespace, hostname)).at(-1)
  }

  /** The pod of this node with that name, namespace and service account. */
  local(info: WorkloadInfo): Workload | undefined {
    return this.#local.of(localKey(info)).at(-1)
  }

  isLocal(workload: Workload): boolean {
    return this.#nodeName === undefined || workload.node === this.#nodeName
  }

  all(): Iterable<Workload> {
    return this.#byUid.values()
  }
}

/** How a pod is told apart on its node; none of the three parts can hold a slash. */
export function localKey(info: WorkloadInfo): string {
  return `${info.namespace}/${info.name}/${info.serviceAccount}`
}

export function addressKey(network: string, ip: IpAddress): string {
  return `${network}/${ip}`
}

function hostnameKey(namespace: string, hostname: string): string {
  return `${namespace}/${hostname}`
}

function addressKeys(workload: Workload): readonly string[] {
  if (workload.networkMode === 'HostNetwork') return []
  return [...new Set(workload.addresses)].map((ip) => addressKey(workload.network, ip))
}

function rank(workload: Workload): number {
  return (workload.uid.includes('//Pod/') ? 2 : 0) + (workload.protocol === 'HBONE' ? 1 : 0)
}
