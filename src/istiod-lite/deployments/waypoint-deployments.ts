import type { Clock } from '#shared/clock'
import { isRecord } from '#shared/document'
import { MeshError, reasonOf } from '#shared/errors'
import type { GatewayClass, ObjectSource } from '#shared/k8s'
import { type ApiObjectId, isStatus, type KubeClient } from '#shared/kube-client'
import { type Closer, Reconciler } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'
import type { Collection } from '../collections/index.ts'
import { BUILT_IN_CLASSES, classDocument, controllerOf, GATEWAY_CLASS } from './classes.ts'
import { mergeConditions, statusPatch } from './gateway-status.ts'
import { CONTROLLER_VERSION, type PlannedObject } from './objects.ts'
import { type OwnedObject, OwnedObjects } from './owned-objects.ts'
import { type GatewayPlan, VERSION } from './plan.ts'
import { GATEWAY, MANAGED_LABEL } from './resources.ts'
import type { WiredDeployments } from './wire-deployments.ts'

/** Who of several control planes writes. */
export interface Leadership {
  readonly isLeader: boolean
  /** Runs one write; rejects without having run it when somebody else leads. */
  perform<T>(write: () => Promise<T>): Promise<T>
  /** Told now and at each beginning and end. Returns the unsubscribe. */
  subscribe(listener: (isLeader: boolean) => void): () => void
}

export interface WaypointDeploymentsParts {
  readonly wired: WiredDeployments
  readonly gatewayClasses: Collection<GatewayClass>
  /** What the mesh follows, and what only this room does; both are followed whole before `start`. */
  readonly sources: Readonly<Record<'mesh' | 'made', ObjectSource>>
  readonly client: Pick<KubeClient, 'get' | 'create' | 'apply' | 'mergePatch' | 'delete'>
  readonly leadership: Leadership
  readonly clock: Clock
  readonly logger: Logger
}

export const FIELD_MANAGER = 'ambit.dev/gateway-controller'
/** Gateways that are worked on at once. */
const CONCURRENCY = 4

/**
 * Keeps what runs waypoints as the plans say, and tells Gateways what became of them. Only the leader writes.
 *
 * An object of the name that we need which was not made for a Gateway is never touched. Of our own objects only the fields
 * that the plan has are ours: replicas, or whatever else somebody sets beside them, stay.
 */
export class WaypointDeployments implements Closer {
  readonly #parts: WaypointDeploymentsParts
  readonly #owned: OwnedObjects
  readonly #objects: Reconciler
  readonly #statuses: Reconciler
  readonly #classes: Reconciler
  #unsubscribes: readonly (() => void)[] = []

  constructor(parts: WaypointDeploymentsParts) {
    this.#parts = parts
    this.#objects = this.#reconciler('a waypoint cannot be kept as its Gateway says', (key) => this.#keep(key))
    this.#statuses = this.#reconciler('the status of a Gateway cannot be written', (key) => this.#tell(key))
    this.#classes = this.#reconciler('a GatewayClass cannot be made', (name) => this.#keepClass(name))
    this.#owned = new OwnedObjects((gateway) => this.#objects.ask(gateway))
  }

  /** Call it once the sources are synced: before, everything would seem to be missing. */
  start(): void {
    const { wired, gatewayClasses, sources, leadership } = this.#parts
    this.#owned.start(sources)
    this.#unsubscribes = [
      wired.plans.subscribe((changes) => {
        for (const { key } of changes) this.#objects.ask(key)
      }),
      wired.statuses.subscribe((changes) => {
        for (const { key } of changes) this.#statuses.ask(key)
      }),
      // Also when somebody else has written into it.
      sources.mesh.subscribe('Gateway', ({ object: { metadata } }) =>
        this.#statuses.ask(`${metadata.namespace}/${metadata.name}`),
      ),
      gatewayClasses.subscribe((changes) => {
        for (const { key } of changes) this.#classes.ask(key)
      }),
      leadership.subscribe((isLeader) => {
        if (isLeader) this.#askAll()
      }),
    ]
  }

  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe()
    this.#owned.close()
    await Promise.all([this.#objects.close(), this.#statuses.close(), this.#classes.close()])
  }

  #reconciler(failure: string, reconcile: (key: string) => Promise<void>): Reconciler {
    const { clock, logger, leadership } = this.#parts
    return new Reconciler({
      clock,
      reconcile: async (key) => {
        // Whoever leads next looks at everything.
        if (leadership.isLeader) await reconcile(key)
      },
      onFailure: (key, error) => {
        const fields = { object: key, reason: reasonOf(error) }
        // Somebody wrote between reading and writing, or there is no Gateway API in the cluster.
        if (isStatus(error, 404, 409)) logger.debug(failure, fields)
        else logger.warn(failure, fields)
      },
      concurrency: CONCURRENCY,
      firstRetryMs: 200,
      maxRetryMs: 60_000,
    })
  }

  #askAll(): void {
    const { plans, statuses } = this.#parts.wired
    const planned = plans.list().map(({ gateway: { metadata } }) => `${metadata.namespace}/${metadata.name}`)
    for (const key of new Set([...planned, ...this.#owned.gateways])) this.#objects.ask(key)
    for (const { key } of statuses.list()) this.#statuses.ask(key)
    for (const { name } of BUILT_IN_CLASSES) this.#classes.ask(name)
  }

  async #keep(key: string): Promise<void> {
    const plan = this.#parts.wired.plans.get(key)
    if (plan === undefined) return this.#removeAll(key, this.#owned.of(key))
    if (plan.decision.kind !== 'managed') return this.#parts.wired.obstacles.delete(key)
    await this.#sign(plan)
    const { objects } = plan.decision
    const taken: string[] = []
    for (const object of objects) if (!(await this.#apply(object))) taken.push(describe(object))
    await this.#removeAll(
      key,
      this.#owned.of(key).filter((owned) => !objects.some((object) => isSame(object, owned))),
    )
    if (taken.length === 0) return this.#parts.wired.obstacles.delete(key)
    this.#parts.wired.obstacles.set(key, { key, objects: taken })
    // Nobody tells us when the other one goes.
    throw new MeshError('COMMAND_FAILED', `${taken.join(', ')} was not made for a Gateway, and is not touched`)
  }

  /** Says on the Gateway whose objects these are, so that older controllers keep their hands off. */
  async #sign({ gateway: { metadata } }: GatewayPlan): Promise<void> {
    if (metadata.annotations[CONTROLLER_VERSION] === String(VERSION)) return
    const { client, leadership } = this.#parts
    const patch = { metadata: { uid: metadata.uid, annotations: { [CONTROLLER_VERSION]: String(VERSION) } } }
    await leadership.perform(() => client.mergePatch(GATEWAY, metadata, patch))
  }

  /** @returns false when the name is taken by an object that is not ours */
  async #apply(object: PlannedObject): Promise<boolean> {
    const { client, leadership } = this.#parts
    const before = await client.get(object.resource, object)
    const metadata = isRecord(before?.metadata) ? before.metadata : {}
    const labels = isRecord(metadata.labels) ? metadata.labels : {}
    if (before !== undefined && labels[MANAGED_LABEL] === undefined) return false
    const options = { fieldManager: FIELD_MANAGER, force: true }
    await leadership.perform(() => client.apply(object.resource, object.document, options))
    return true
  }

  async #removeAll(key: string, objects: readonly OwnedObject[]): Promise<void> {
    const { client, leadership, gatewayClasses, logger } = this.#parts
    for (const object of objects) {
      // Objects of another controller's classes look the same.
      if (controllerOf(object.className, gatewayClasses.get(object.className)) !== 'waypoint') continue
      await leadership.perform(() => client.delete(object.resource, object))
      logger.info(`${describe(object)} is removed: Gateway ${key} does not need it`)
    }
  }

  async #tell(key: string): Promise<void> {
    const { wired, client, leadership, clock } = this.#parts
    const wanted = wired.statuses.get(key)
    const id = idOf(key)
    const document = wanted === undefined ? undefined : await client.get(GATEWAY, id)
    if (wanted === undefined || document === undefined) return
    const { resourceVersion, generation } = isRecord(document.metadata) ? document.metadata : {}
    // What was decided is about an older one; the newer one will be told when it has been read.
    if (typeof generation === 'number' && wanted.generation !== undefined && generation > wanted.generation) return
    const status = statusPatch(wanted, isRecord(document.status) ? document.status : {}, rfc3339(clock))
    if (status === undefined) return
    await leadership.perform(() =>
      client.mergePatch(GATEWAY, id, { metadata: { resourceVersion }, status }, { subresource: 'status' }),
    )
  }

  /** Made when it is missing; one that is there stays as it is, but for its status. */
  async #keepClass(name: string): Promise<void> {
    const { client, leadership, clock } = this.#parts
    const builtIn = BUILT_IN_CLASSES.find((each) => each.name === name)
    const id: ApiObjectId = { namespace: '', name }
    let document = await client.get(GATEWAY_CLASS, id)
    if (document === undefined) {
      if (builtIn === undefined) return
      document = await leadership.perform(() => client.create(GATEWAY_CLASS, '', classDocument(builtIn)))
    }
    const controllerName = isRecord(document.spec) ? document.spec.controllerName : undefined
    if (!BUILT_IN_CLASSES.some((each) => each.controllerName === controllerName)) return
    const { resourceVersion, generation } = isRecord(document.metadata) ? document.metadata : {}
    const status = isRecord(document.status) ? document.status : {}
    const current = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : []
    const observed = typeof generation === 'number' ? generation : undefined
    const stated = {
      type: 'Accepted',
      status: 'True',
      reason: 'Accepted',
      message: 'Gateways of it are served',
    } as const
    const before = current.find(({ type }) => type === 'Accepted')
    if (before?.status === 'True' && before.observedGeneration === observed) return
    const conditions = mergeConditions(current, [stated], observed, rfc3339(clock))
    await leadership.perform(() =>
      client.mergePatch(GATEWAY_CLASS, id, { metadata: { resourceVersion }, status: { conditions } }, STATUS),
    )
  }
}

const STATUS = { subresource: 'status' }

function isSame(object: PlannedObject, owned: OwnedObject): boolean {
  return object.resource === owned.resource && object.name === owned.name
}

function describe({ resource, namespace, name }: Omit<OwnedObject, 'className'>): string {
  return `${resource.kind} ${namespace}/${name}`
}

function idOf(key: string): ApiObjectId {
  const [namespace = '', name = ''] = key.split('/')
  return { namespace, name }
}

function rfc3339(clock: Clock): string {
  return new Date(clock.nowMs()).toISOString().replace(/\.\d+Z$/, 'Z')
}
