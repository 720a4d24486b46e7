import { type KubeObject, type ObjectSource, objectKey } from '#shared/k8s'
import type { ApiResource } from '#shared/kube-client'
import { CLASS_NAME_LABEL, GATEWAY_NAME_LABEL, MANAGED_LABEL, MANAGER, RESOURCES } from './resources.ts'

/** An object that was made for a Gateway. */
export interface OwnedObject {
  readonly resource: ApiResource
  readonly namespace: string
  readonly name: string
  readonly className: string
}

/** Everything in the cluster that was made for waypoints, by the Gateway that owns it. */
export class OwnedObjects {
  readonly #byGateway = new Map<string, Map<string, OwnedObject>>()
  /** The Gateway of each object. */
  readonly #gateways = new Map<string, string>()
  readonly #onChange: (gateway: string) => void
  readonly #unsubscribes: (() => void)[] = []

  /** @param onChange told the Gateway's `namespace/name` when an object of it comes, changes or goes */
  constructor(onChange: (gateway: string) => void) {
    this.#onChange = onChange
  }

  /** @param sources where the kinds come from: what the mesh reads anyway, and the rest */
  start(sources: Readonly<Record<'mesh' | 'made', ObjectSource>>): void {
    const { serviceAccount, service, ...made } = RESOURCES
    for (const resource of [serviceAccount, service]) this.#follow(sources.mesh, resource)
    for (const resource of Object.values(made)) this.#follow(sources.made, resource)
  }

  of(gateway: string): readonly OwnedObject[] {
    return [...(this.#byGateway.get(gateway)?.values() ?? [])]
  }

  /** Gateways that own something, whether they are still there or not. */
  get gateways(): Iterable<string> {
    return this.#byGateway.keys()
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe()
  }

  #follow(source: ObjectSource, resource: ApiResource): void {
    const unsubscribe = source.subscribe<string>(resource.kind, ({ type, object }) => {
      const gateway = gatewayOf(object)
      const key = `${resource.kind} ${objectKey(object)}`
      const before = this.#gateways.get(key)
      // Also when a label was changed or taken away: it is no longer that one's.
      if (before !== undefined && (before !== gateway || type === 'deleted')) this.#forget(before, key)
      if (gateway === undefined || type === 'deleted') return
      this.#gateways.set(key, gateway)
      const { namespace, name, labels } = object.metadata
      const objects = this.#byGateway.get(gateway) ?? new Map<string, OwnedObject>()
      this.#byGateway.set(
        gateway,
        objects.set(key, { resource, namespace, name, className: labels[CLASS_NAME_LABEL] ?? '' }),
      )
      this.#onChange(gateway)
    })
    this.#unsubscribes.push(unsubscribe)
  }

  #forget(gateway: string, key: string): void {
    this.#gateways.delete(key)
    const objects = this.#byGateway.get(gateway)
    objects?.delete(key)
    if (objects?.size === 0) this.#byGateway.delete(gateway)
    this.#onChange(gateway)
  }
}

/** The Gateway that an object was made for, by its labels and its owner; both, since a label is easily copied. */
function gatewayOf({ metadata }: KubeObject): string | undefined {
  const name = metadata.labels[GATEWAY_NAME_LABEL]
  const isOwned = metadata.ownerReferences.some((owner) => owner.kind === 'Gateway' && owner.name === name)
  if (name === undefined || metadata.labels[MANAGED_LABEL] !== MANAGER || !isOwned) return undefined
  return `${metadata.namespace}/${name}`
}
