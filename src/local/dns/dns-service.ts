import { Backoff, type Clock, type Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { type IpAddress, ipFamily } from '#shared/net'
import type { Logger } from '#shared/telemetry'
import type { ApiObject, ObjectAccess, ObjectRef } from '../apiserver/index.ts'
import { DNS_SERVICE_IPS } from '../network/index.ts'

export interface DnsServiceSettings {
  readonly access: ObjectAccess
  readonly clock: Clock
  readonly logger: Logger
  /** Where names are served, one address of each family. */
  readonly servers: readonly IpAddress[]
}

const NAMESPACE = 'kube-system'
/** The name that clusters have it under, whatever serves it. */
const NAME = 'kube-dns'
const MANAGER = 'ambit-dns'
const PORT = 53
const PORTS = [
  { name: 'dns', protocol: 'UDP', port: PORT },
  { name: 'dns-tcp', protocol: 'TCP', port: PORT },
] as const
const RETRY = { firstMs: 100, maxMs: 10_000, jitter: 0.1 }

/**
 * Keeps the Service `kube-dns` and its endpoints in the API: without it pods find no names, so one that is deleted comes
 * back.
 */
export class DnsService implements Closer {
  readonly #settings: DnsServiceSettings
  readonly #backoff: Backoff
  readonly #watches: readonly { stop(): void }[]
  #timer: Timer | undefined
  #problem = ''
  #isClosed = false

  private constructor(settings: DnsServiceSettings) {
    this.#settings = settings
    this.#backoff = new Backoff(settings.clock, RETRY)
    this.#watches = objectsOf(settings.servers).map(({ ref }) =>
      settings.access.watch({ ...ref, namespace: NAMESPACE }, ({ type, object }) => {
        if (type === 'DELETED' && object.metadata.name === ref.name) this.#again(0)
      }),
    )
  }

  /** It is there when this resolves, unless somebody stands in its way: then `problem` says who. */
  static async keep(settings: DnsServiceSettings): Promise<DnsService> {
    const service = new DnsService(settings)
    await service.#write()
    return service
  }

  /** Why it is not as it should be; empty when it is. */
  get problem(): string {
    return this.#problem
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const watch of this.#watches) watch.stop()
  }

  #again(afterMs: number): void {
    if (this.#isClosed) return
    this.#timer ??= this.#settings.clock.setTimer(afterMs, () => {
      this.#timer = undefined
      void this.#write()
    })
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    const { access, logger, servers } = this.#settings
    try {
      for (const { ref, object } of objectsOf(servers))
        await access.patch(ref, 'apply', object, { fieldManager: MANAGER })
      this.#problem = ''
      this.#backoff.reset()
    } catch (error) {
      if (this.#isClosed) return
      this.#problem = reasonOf(error)
      logger.error('the service of the cluster DNS cannot be written', { reason: this.#problem })
      this.#again(this.#backoff.next())
    }
  }
}

function objectsOf(servers: readonly IpAddress[]): readonly { readonly ref: ObjectRef; readonly object: ApiObject }[] {
  const ips = servers.map((server) => DNS_SERVICE_IPS[ipFamily(server)])
  const families = servers.map((server) => `IPv${ipFamily(server)}`)
  const service: ApiObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: NAME,
      namespace: NAMESPACE,
      labels: { 'k8s-app': NAME, 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
    },
    spec: {
      clusterIP: ips[0],
      clusterIPs: ips,
      ipFamilies: families,
      ipFamilyPolicy: ips.length > 1 ? 'RequireDualStack' : 'SingleStack',
      // Without a selector: what answers is no pod.
      ports: PORTS.map((port) => ({ ...port, targetPort: port.port })),
    },
  }
  const slices = servers.map((server): { readonly ref: ObjectRef; readonly object: ApiObject } => {
    const family = `ipv${ipFamily(server)}`
    const name = `${NAME}-${family}`
    return {
      ref: { group: 'discovery.k8s.io', resource: 'endpointslices', namespace: NAMESPACE, name },
      object: {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name,
          namespace: NAMESPACE,
          labels: { 'kubernetes.io/service-name': NAME, 'endpointslice.kubernetes.io/managed-by': MANAGER },
        },
        addressType: `IPv${ipFamily(server)}`,
        ports: PORTS,
        endpoints: [{ addresses: [server], conditions: { ready: true, serving: true, terminating: false } }],
      },
    }
  })
  return [{ ref: { group: '', resource: 'services', namespace: NAMESPACE, name: NAME }, object: service }, ...slices]
}
