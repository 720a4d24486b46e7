import { isSubset, recordAt, recordsAt, textMapAt, textsAt } from './reading.ts'
import type { AnalysedObject, Json } from './types.ts'

type Labels = Readonly<Record<string, string>>

/** Pods, or what makes them: files mostly have the latter only. */
export interface Workload {
  readonly object: AnalysedObject
  readonly namespace: string
  readonly labels: Labels
  readonly annotations: Labels
  readonly spec: Json
  /** Where its labels and spec stand in the object. */
  readonly path: readonly string[]
}

/** A host that can be routed to. */
export interface Destination {
  readonly host: string
  readonly object: AnalysedObject
  readonly ports: readonly number[]
}

const TEMPLATES = ['Deployment.apps', 'StatefulSet.apps', 'DaemonSet.apps', 'ReplicaSet.apps', 'Job.batch']
const CLUSTER_DOMAIN = 'svc.cluster.local'
export const MESH_NAMESPACE = 'istio-system'

/** A set of objects with the look-ups that checks share. */
export class MeshObjects {
  readonly all: readonly AnalysedObject[]
  readonly workloads: readonly Workload[]
  readonly destinations: readonly Destination[]
  readonly #byKind: ReadonlyMap<string, readonly AnalysedObject[]>
  readonly #byName: ReadonlyMap<string, AnalysedObject>
  readonly #byHost: ReadonlyMap<string, Destination>

  constructor(objects: readonly AnalysedObject[]) {
    this.all = objects
    this.#byKind = Map.groupBy(objects, ({ kind }) => kind)
    this.#byName = new Map(objects.map((object) => [nameKey(object.kind, object.namespace, object.name), object]))
    this.workloads = [
      ...this.of('Pod').map((object) => workloadOf(object, [])),
      // What a controller made is there as its pods.
      ...TEMPLATES.flatMap((kind) => this.of(kind)).map((object) => workloadOf(object, ['spec', 'template'])),
    ]
    this.destinations = [
      ...this.of('Service').map(ofService),
      ...this.of('ServiceEntry.networking.istio.io').flatMap(ofEntry),
    ]
    this.#byHost = new Map(this.destinations.map((destination) => [destination.host, destination]))
  }

  of(kind: string): readonly AnalysedObject[] {
    return this.#byKind.get(kind) ?? []
  }

  find(kind: string, namespace: string, name: string): AnalysedObject | undefined {
    return this.#byName.get(nameKey(kind, namespace, name))
  }

  namespaceLabels(namespace: string): Labels {
    return labelsOf(this.find('Namespace', '', namespace))
  }

  /** Workloads of a namespace that have all of the labels; everywhere for the root namespace. */
  selected(namespace: string, labels: Labels): readonly Workload[] {
    const isEverywhere = namespace === MESH_NAMESPACE
    return this.workloads.filter(
      (each) => (isEverywhere || each.namespace === namespace) && isSubset(labels, each.labels),
    )
  }

  podsOf(service: AnalysedObject): readonly Workload[] {
    return this.workloads.filter((workload) => isPodOf(workload, service))
  }

  servicesOf(workload: Workload): readonly AnalysedObject[] {
    return this.of('Service').filter((service) => isPodOf(workload, service))
  }

  /** The service that a host of a route means; wildcards of service entries count. */
  destination(host: string, namespace: string): Destination | undefined {
    const whole = wholeHost(host, namespace)
    const exact = this.#byHost.get(whole)
    if (exact !== undefined) return exact
    return this.destinations.find((each) => each.host.startsWith('*.') && whole.endsWith(each.host.slice(1)))
  }

  isAmbient({ namespace, labels }: Pick<Workload, 'namespace' | 'labels'>): boolean {
    const mode = labels[DATAPLANE_MODE] ?? this.namespaceLabels(namespace)[DATAPLANE_MODE]
    return mode === 'ambient'
  }
}

export const DATAPLANE_MODE = 'istio.io/dataplane-mode'

export function labelsOf(object: AnalysedObject | undefined): Labels {
  return textMapAt(object?.document, 'metadata', 'labels')
}

export function annotationsOf(object: AnalysedObject): Labels {
  return textMapAt(object.document, 'metadata', 'annotations')
}

/** Names without a dot are of the namespace of who writes them; all others are whole already. */
export function wholeHost(host: string, namespace: string): string {
  return host.includes('.') || host === '*' ? host : `${host}.${namespace}.${CLUSTER_DOMAIN}`
}

export function shownObject({ kind, namespace, name }: AnalysedObject): string {
  return `${kind.split('.')[0]} ${namespace === '' ? '' : `${namespace}/`}${name}`
}

function nameKey(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`
}

function isPodOf({ namespace, labels }: Workload, service: AnalysedObject): boolean {
  if (namespace !== service.namespace) return false
  const selector = textMapAt(service.document, 'spec', 'selector')
  return Object.keys(selector).length > 0 && isSubset(selector, labels)
}

function workloadOf(object: AnalysedObject, path: readonly string[]): Workload {
  return {
    object,
    namespace: object.namespace,
    labels: textMapAt(object.document, ...path, 'metadata', 'labels'),
    annotations: textMapAt(object.document, ...path, 'metadata', 'annotations'),
    spec: recordAt(object.document, ...path, 'spec'),
    path,
  }
}

function ofService(object: AnalysedObject): Destination {
  const ports = recordsAt(object.document, 'spec', 'ports').flatMap(({ port }) =>
    typeof port === 'number' ? port : [],
  )
  return { host: `${object.name}.${object.namespace}.${CLUSTER_DOMAIN}`, object, ports }
}

function ofEntry(object: AnalysedObject): readonly Destination[] {
  const ports = recordsAt(object.document, 'spec', 'ports').flatMap(({ number }) =>
    typeof number === 'number' ? number : [],
  )
  return textsAt(object.document, 'spec', 'hosts').map((host) => ({ host, object, ports }))
}
