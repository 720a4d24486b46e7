import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Clock } from '#shared/clock'
import type { ObjectOrigin, ObjectProblem } from '#shared/k8s'
import { type KubeClient, openKubeClient } from '#shared/kube-client'
import type { Closer } from '#shared/lifecycle'
import type { Log, Metrics } from '#shared/telemetry'
import { WebhookRegistration } from './admission/index.ts'
import type { IstiodConfig } from './config.ts'
import { type Deployments, type DeploymentsParts, GATEWAY_TOPIC, openDeployments } from './deployments/index.ts'
import { LeaseCandidate, leaseTimes } from './leadership/index.ts'
import type { Mesh } from './mesh/index.ts'
import type { WaypointConfiguration } from './routes/index.ts'
import { ADDRESSES_TOPIC, stateAddresses } from './state-addresses.ts'
import { CONDITIONS_TOPIC, stateConditions } from './state-conditions.ts'
import { ROUTES_TOPIC, stateRoutes } from './state-routes.ts'
import { EventRecorder, type StatusPen, StatusWriter } from './status/index.ts'

export interface ClusterWritersParts {
  readonly origin: Exclude<ObjectOrigin, { kind: 'folder' }>
  readonly rootsPem: () => string
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/** The lease's name in the root namespace; control planes of Istio have others. */
const LEASE = 'ambit-istiod-leader'

/**
 * Everything of this program that writes to the cluster by itself, under one lease. It has a client of its own: its calls
 * end before the lease can be somebody else's, and however many there are, they hold up nobody who asks whose a token is.
 */
export class ClusterWriters implements Closer {
  readonly leadership: LeaseCandidate
  readonly status: StatusWriter
  readonly #client: KubeClient
  readonly #events: EventRecorder
  readonly #registration: WebhookRegistration
  readonly #conditions: StatusPen
  readonly #routes: StatusPen
  readonly #addresses: StatusPen
  readonly #waypoints: Pick<DeploymentsParts, 'settings' | 'writer' | 'leadership' | 'pen' | 'clock' | 'logger'>
  #deployments: Deployments | undefined
  #unsubscribes: readonly (() => void)[] = []

  private constructor(client: KubeClient, config: IstiodConfig, parts: ClusterWritersParts) {
    const { clock, log, metrics } = parts
    const identity = `${hostname()}_${randomUUID()}`
    this.#client = client
    this.leadership = new LeaseCandidate({
      client,
      lease: { namespace: config.rootNamespace, name: LEASE },
      identity,
      times: leaseTimes(config.leaseDurationMs),
      clock,
      logger: log.logger('leadership'),
      gauge: metrics.gauge('ambit_leader', '1 while this control plane is the one that writes to the cluster'),
    })
    const common = { client, leadership: this.leadership, clock, metrics }
    this.#events = new EventRecorder({ ...common, instance: identity, logger: log.logger('events') })
    this.status = new StatusWriter({ ...common, events: this.#events, logger: log.logger('status') })
    this.#conditions = this.status.open(CONDITIONS_TOPIC)
    this.#routes = this.status.open(ROUTES_TOPIC)
    this.#addresses = this.status.open(ADDRESSES_TOPIC)
    this.#waypoints = {
      settings: config,
      writer: client,
      leadership: this.leadership,
      pen: this.status.open(GATEWAY_TOPIC),
      clock,
      logger: log.logger('deployments'),
    }
    this.#registration = new WebhookRegistration({
      ...common,
      wish: webhookWish(config),
      rootsPem: parts.rootsPem,
      logger: log.logger('admission'),
    })
  }

  static async open(config: IstiodConfig, parts: ClusterWritersParts): Promise<ClusterWriters> {
    const { writeTimeoutMs } = leaseTimes(config.leaseDurationMs)
    const client = await openKubeClient(parts.origin, { clock: parts.clock, timeoutMs: writeTimeoutMs })
    return new ClusterWriters(client, config, parts)
  }

  /** What it needs beside the mesh's objects is followed from now on, and written once the lease is ours. */
  deployWaypoints(parts: Pick<DeploymentsParts, 'graph' | 'objects' | 'collections' | 'network' | 'client'>): void {
    this.#deployments = openDeployments({ ...this.#waypoints, ...parts })
  }

  /** Objects that cannot be read, of those that only writers follow. */
  get problems(): readonly ObjectProblem[] {
    return this.#deployments?.problems ?? []
  }

  /** Call it once the mesh is whole and settled: what it does not say then is cleared. */
  start(mesh: Mesh, told: WaypointConfiguration): void {
    this.#unsubscribes = [
      stateConditions(mesh, this.#conditions),
      stateRoutes(told, this.#routes),
      stateAddresses(mesh, this.#addresses),
    ]
    this.status.start()
    this.#registration.start()
    this.leadership.start()
  }

  /** What the API server needs to know us by has changed. */
  rootsChanged(): void {
    this.#registration.renew()
  }

  /** Hands over: writes that have begun end, then the lease is given back. */
  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe()
    await Promise.all([
      this.#deployments?.close(),
      this.#registration.close(),
      this.status.close(),
      this.#events.close(),
    ])
    await this.leadership.close()
    await this.#client.close()
  }
}

function webhookWish({
  admission,
  admissionUrl,
  rootNamespace,
}: IstiodConfig): ConstructorParameters<typeof WebhookRegistration>[0]['wish'] {
  if (admission === 'off') return { kind: 'off' }
  const place =
    admissionUrl === undefined
      ? ({ kind: 'service', namespace: rootNamespace, name: 'istiod' } as const)
      : ({ kind: 'url', url: admissionUrl } as const)
  return { kind: 'on', mode: admission, place }
}
