import type { Clock } from '#shared/clock'
import { isRecord } from '#shared/document'
import { MeshError, reasonOf } from '#shared/errors'
import type { GatewayClass, ObjectSource } from '#shared/k8s'
import { type ApiObjectId, isStatus, type KubeClient } from '#shared/kube-client'
import { type Closer, Reconciler } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'
import type { Collection } from '../collections/index.ts'
import type { Leadership } from '../leadership/index.ts'
import { editConditions, type StatusPen, type StatusTopic } from '../status/index.ts'
import { BUILT_IN_CLASSES, classDocument, controllerOf, GATEWAY_CLASS } from './classes.ts'
import { editStatus } from './gateway-status.ts'
import { CONTROLLER_VERSION, type PlannedObject } from './objects.ts'
import { type OwnedObject, OwnedObjects } from './owned-objects.ts'
import { type GatewayPlan, VERSION } from './plan.ts'
import { GATEWAY, GATEWAY_NAME_LABEL, MANAGED_LABEL } from './resources.ts'
import type { WiredDeployments } from './wire-deployments.ts'

export interface WaypointDeploymentsParts {
  readonly wired: WiredDeployments
  readonly gatewayClasses: Collection<GatewayClass>
  /** What the mesh follows, and what only this room does; both are followed whole before `start`. */
  readonly sources: Readonly<Record<'mesh' | 'made', ObjectSource>>
  readonly client: Pick<KubeClient, 'get' | 'create' | 'apply' | 'mergePatch' | 'delete'>
  readonly leadership: Leadership
  /** Opened for `GATEWAY_TOPIC`. */
  readonly pen: StatusPen
  readonly clock: Clock
  readonly logger: Logger
}

/** A Gateway that becomes one of another class is told by that one's controller: nothing is taken away from it. */
export const GATEWAY_TOPIC: StatusTopic = {
  name: 'gateways',
  resources: [GATEWAY, GATEWAY_CLASS],
  clear: () => undefined,
}

const FIELD_MANAGER = 'ambit.dev/gateway-controller'
/** Gateways that are worked on at once. */
const CONCURRENCY = 4

/**
 * Keeps what runs waypoints as the plans say, and tells Gateways what became of them. Only the leader writes.
 *
 * An object of the name that we need which was made for somebody else is never touched. Of our own objects only the fields
 * that the plan has are ours: replicas, or whatever else somebody sets beside them, stay.
 */
export class WaypointDeployments implements Closer {
  readonly #parts: WaypointDeploymentsParts
  readonly #owned: OwnedObjects
  readonly #objects: Reconciler
  readonly #classes: Reconciler
  #unsubscribes: readonly (() => void)[] = []

  constructor(parts: WaypointDeploymentsParts) {
    this.#parts = parts
    this.#objects = this.#reconciler('a waypoint cannot be kept as its Gateway says', (key) => this.#keep(key))
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
        for (const { key } of changes) this.#tell(key)
      }),
      // Also when somebody else has written into it.
      sources.mesh.subscribe('Gateway', ({ object: { metadata } }) =>
        this.#tell(`${metadata.namespace}/${metadata.name}`),
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
    await Promise.all([this.#objects.close(), this.#classes.close()])
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
    const planned = this.#parts.wired.plans
      .list()
      .map(({ gateway: { metadata } }) => `${metadata.namespace}/${metadata.name}`)
    for (const key of new Set([...planned, ...this.#owned.gateways])) this.#objects.ask(key)
    for (const { name } of BUILT_IN_CLASSES) this.#classes.ask(name)
  }

  async #keep(key: string): Promise<void> {
    const plan = this.#parts.wired.plans.get(key)
    if (plan === undefined) return this.#removeAll(key, this.#owned.of(key))
    if (plan.decision.kind !== 'managed') return this.#parts.wired.obstacles.delete(key)
    await this.#sign(plan)
    const { objects } = plan.decision
    const taken: string[] = []
    const { name } = plan.gateway.metadata
    for (const object of objects) if (!(await this.#apply(object, name))) taken.push(describe(object))
    await this.#removeAll(
      key,
      this.#owned.of(key).filter((owned) => !objects.some((object) => isSame(object, owned))),
    )
    if (taken.length === 0) return this.#parts.wired.obstacles.delete(key)
    this.#parts.wired.obstacles.set(key, { key, objects: taken })
    // Nobody tells us when the other one goes.
    throw new MeshError('COMMAND_FAILED', `${taken.join(', ')} was not made for Gateway ${key}, and is not touched`)
  }

  /** Says on the Gateway whose objects these are, so that older controllers keep their hands off. */
  async #sign({ gateway: { metadata } }: GatewayPlan): Promise<void> {
    if (metadata.annotations[CONTROLLER_VERSION] === String(VERSION)) return
    const { client, leadership } = this.#parts
    const patch = { metadata: { uid: metadata.uid, annotations: { [CONTROLLER_VERSION]: String(VERSION) } } }
    await leadership.perform(() => client.mergePatch(GATEWAY, metadata, patch))
  }

  /** @returns false when the name is taken by an object that was not made for this Gateway */
  async #apply(object: PlannedObject, gateway: string): Promise<boolean> {
    const { client, leadership } = this.#parts
    const before = await client.get(object.resource, object)
    const metadata = isRecord(before?.metadata) ? before.metadata : {}
    const labels = isRecord(metadata.labels) ? metadata.labels : {}
    const isOurs = labels[MANAGED_LABEL] !== undefined && labels[GATEWAY_NAME_LABEL] === gateway
    if (before !== undefined && !isOurs) return false
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

  #tell(key: string): void {
    const { wired, pen } = this.#parts
    const status = wired.statuses.get(key)
    const subject = { resource: GATEWAY, id: idOf(key) }
    if (status === undefined) pen.unsay(subject)
    else pen.say(subject, editStatus(status))
  }

  /** Made when it is missing; one that is there stays as it is, but for its status. */
  async #keepClass(name: string): Promise<void> {
    const { client, leadership, gatewayClasses, pen } = this.#parts
    const builtIn = BUILT_IN_CLASSES.find((each) => each.name === name)
    const known = gatewayClasses.get(name)
    if (known === undefined && builtIn !== undefined) {
      // Its own change comes back here.
      await leadership.perform(() => client.create(GATEWAY_CLASS, '', classDocument(builtIn)))
    } else if (known !== undefined && controllerOf(name, known) !== undefined) {
      const message = 'Gateways of it are served'
      const edit = editConditions({
        ownTypes: new Set(['Accepted']),
        stated: [{ type: 'Accepted', status: 'True', reason: 'Accepted', message, event: 'none' }],
        observedGeneration: known.metadata.generation,
      })
      pen.say({ resource: GATEWAY_CLASS, id: { namespace: '', name } }, edit)
    }
  }
}

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
