import { systemClock } from '#shared/clock'
import type { Authorization, MeshAddress } from '#shared/model'
import { type Cidr, formatCidr } from '#shared/net'
import { readMeshCrds } from '../../src/local/apiserver/crd/index.ts'
import { type ApiObject, installMeshCrds, type ObjectRef } from '../../src/local/apiserver/index.ts'
import { IstiodPlace, MeshMirror } from './istiod.ts'
import { startTestApi, type TestApi } from './kube-api.ts'
import { KubeClient } from './kube-client.ts'
import { CRD_FOLDER } from './mesh-kinds.ts'
import { RealIstiod } from './real-istiod.ts'

/** A namespace's own objects, which the test writes none of. */
const SYSTEM = 'istio-system'
const YOUNG = '2030-01-01T00:00:00Z'
/** How long both may take to tell of the same objects. */
const AGREE_MS = 6_000

/** The API as the mesh's programs find it: kinds, namespace, the account and the pod of a tunnel. */
export class IstioPlace {
  readonly api: TestApi
  readonly kube: KubeClient
  /** What was put since the last `clear`. */
  readonly #put = new Map<string, ObjectRef>()

  private constructor(api: TestApi) {
    this.api = api
    this.kube = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
  }

  static async make(): Promise<IstioPlace> {
    const place = new IstioPlace(await startTestApi())
    const { access } = place.api.server
    await installMeshCrds(readMeshCrds(CRD_FOLDER), access)
    await access.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: SYSTEM } })
    await access.create({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'ztunnel', namespace: SYSTEM },
    })
    await place.put({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'ztunnel-a', namespace: SYSTEM, labels: { app: 'ztunnel' } },
      spec: { nodeName: 'node-a', serviceAccountName: 'ztunnel', containers: [{ name: 'c', image: 'i' }] },
      status: { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }] },
    })
    place.#put.clear()
    return place
  }

  /** As its author and its controllers would have written it, times included. */
  async put(object: ApiObject): Promise<ObjectRef> {
    const { access } = this.api.server
    // As on the wire: without what is undefined.
    const { status, ...rest } = JSON.parse(JSON.stringify(object)) as ApiObject
    const { deletionTimestamp, creationTimestamp, ...metadata } = rest.metadata
    const ref = this.#ref(object)
    this.#put.set(JSON.stringify(ref), ref)
    await this.#putNamespace(ref.namespace)
    if (object.kind === 'Pod') await this.#putAccount(object)
    if (access.get(ref) === undefined) await access.create({ ...rest, metadata: withOwners(metadata) } as ApiObject)
    else await access.patch(ref, 'merge', { ...rest, metadata })
    if (status !== undefined) await access.patch(ref, 'merge', { status }, { subresource: 'status' })
    const times = {
      // Of those whose age decides none is older by the time that the test took.
      ...(object.kind === 'PeerAuthentication' && { creationTimestamp: YOUNG }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    }
    // Nobody may write these; the store takes them.
    if (Object.keys(times).length > 0) this.#overwrite(ref, times)
    return ref
  }

  /** At once, whatever would hold it. */
  remove(ref: ObjectRef): void {
    this.api.store.delete(keyOf(ref))
  }

  /**
   * Takes away everything that was put, and what others wrote into its namespaces.
   *
   * @returns those namespaces
   */
  async clear(): Promise<ReadonlySet<string>> {
    const refs = [...this.#put.values()].reverse()
    this.#put.clear()
    const namespaces = new Set(refs.map((ref) => (ref.resource === 'namespaces' ? ref.name : ref.namespace)))
    for (const kept of ['', SYSTEM, 'default']) namespaces.delete(kept)
    for (const ref of refs) if (!isSystem(ref)) this.remove(ref)
    const system: ObjectRef = { group: '', resource: 'namespaces', namespace: '', name: SYSTEM }
    await this.api.server.access.patch(system, 'merge', { metadata: { labels: { [NETWORK]: null } } })
    const { store } = this.api
    for (const resource of NAMESPACED) {
      const found = store.list({ resource })
      if (found.kind === 'expired') throw new Error(`${resource} cannot be listed`)
      for (const { key } of found.items) if (namespaces.has(key.namespace)) store.delete(key)
    }
    return namespaces
  }

  async tunnelToken(): Promise<string> {
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: 'ztunnel-a' }
    const spec = { audiences: ['istio-ca'], expirationSeconds: 3600, boundObjectRef }
    const path = `/api/v1/namespaces/${SYSTEM}/serviceaccounts/ztunnel/token`
    const { json, text } = await this.kube.post(path, { spec })
    if (json?.status?.token === undefined) throw new Error(`no token: ${text}`)
    return json.status.token
  }

  async close(): Promise<void> {
    this.kube.close()
    await this.api.close()
  }

  #ref({ apiVersion, kind, metadata: { name, namespace = '' } }: ApiObject): ObjectRef {
    const [group, resource] = RESOURCES[kind] ?? [apiVersion.split('/')[0] ?? '', `${kind.toLowerCase()}s`]
    return { group, resource, namespace: CLUSTER_WIDE.has(kind) ? '' : namespace, name }
  }

  async #putNamespace(name: string): Promise<void> {
    const ref: ObjectRef = { group: '', resource: 'namespaces', namespace: '', name }
    if (name === '' || this.api.server.access.get(ref) !== undefined) return
    await this.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  }

  async #putAccount({ metadata: { namespace = '' }, spec }: ApiObject): Promise<void> {
    const { serviceAccountName: name = 'default' } = (spec ?? {}) as { readonly serviceAccountName?: string }
    const ref = { group: '', resource: 'serviceaccounts', namespace, name }
    if (this.api.server.access.get(ref) !== undefined) return
    await this.api.server.access.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } })
  }

  #overwrite(ref: ObjectRef, metadata: object): void {
    const stored = this.api.store.get(keyOf(ref))
    if (stored === undefined) throw new Error(`${ref.resource} ${ref.name} is not there`)
    // Times of an object never change, so nobody looks for a change of them: it goes, and comes with other ones.
    this.api.store.delete(stored.key)
    this.api.store.create(stored.key, { ...stored.object, metadata: { ...stored.object.metadata, ...metadata } })
  }
}

/** Golden cases name owners by kind and name only. */
function withOwners<T extends { readonly ownerReferences?: readonly object[] }>(metadata: T): T {
  const { ownerReferences } = metadata
  if (ownerReferences === undefined) return metadata
  return { ...metadata, ownerReferences: ownerReferences.map((each) => ({ apiVersion: 'apps/v1', uid: 'u', ...each })) }
}

const CLUSTER_WIDE = new Set(['Namespace', 'Node', 'GatewayClass'])
const RESOURCES: Readonly<Record<string, readonly [group: string, resource: string]>> = {
  Namespace: ['', 'namespaces'],
  Node: ['', 'nodes'],
  ConfigMap: ['', 'configmaps'],
  Pod: ['', 'pods'],
  Service: ['', 'services'],
  ServiceAccount: ['', 'serviceaccounts'],
  ServiceEntry: ['networking.istio.io', 'serviceentries'],
  WorkloadEntry: ['networking.istio.io', 'workloadentries'],
  AuthorizationPolicy: ['security.istio.io', 'authorizationpolicies'],
  GatewayClass: ['gateway.networking.k8s.io', 'gatewayclasses'],
}
const NETWORK = 'topology.istio.io/network'

function isSystem({ resource, name }: ObjectRef): boolean {
  return resource === 'namespaces' && name === SYSTEM
}

/** Kinds of which a control plane keeps objects in every namespace, or makes them for a Gateway. */
const NAMESPACED = [
  '/pods',
  '/services',
  '/serviceaccounts',
  '/configmaps',
  'apps/deployments',
  'policy/poddisruptionbudgets',
  'autoscaling/horizontalpodautoscalers',
]

function keyOf({ group, resource, namespace, name }: ObjectRef) {
  return { resource: `${group}/${resource}`, namespace, name }
}

/** Istio's control plane and ours beside it, both on one API, and what each of them tells a tunnel. */
export class BothControlPlanes {
  readonly place: IstioPlace
  readonly istiod: RealIstiod
  readonly #lite: IstiodPlace
  readonly #theirs: MeshMirror
  readonly #ours: MeshMirror
  #marks = 0

  private constructor(place: IstioPlace, istiod: RealIstiod, lite: IstiodPlace, mirrors: [MeshMirror, MeshMirror]) {
    this.place = place
    this.istiod = istiod
    this.#lite = lite
    ;[this.#theirs, this.#ours] = mirrors
  }

  static async start(binary: string): Promise<BothControlPlanes> {
    const place = await IstioPlace.make()
    const istiod = await RealIstiod.start({ binary, kubeconfig: place.api.kubeconfig })
    const lite = await IstiodPlace.make()
    const started = await lite.start({ AMBIT_KUBE_DIR: '', AMBIT_TOKEN_JWKS: '', KUBECONFIG: place.api.kubeconfig })
    const token = await place.tunnelToken()
    const ours = await lite.connect(started, { token })
    const theirs = new MeshMirror(await endpointOf(istiod, place, token))
    await Promise.all([ours.client.synced, theirs.client.synced])
    return new BothControlPlanes(place, istiod, lite, [theirs, ours])
  }

  /** Waits until both have told of all that was written, and agree beside `accepted`; else how they differ, after a while. */
  async differences(accepted: readonly string[] = []): Promise<readonly string[]> {
    // Kinds are watched apart, so one object says little of others; by the second everything has been heard.
    await this.#mark()
    await this.#mark()
    const wanted = [...accepted].sort().join('\n')
    const find = (): readonly string[] => differencesOf(heldBy(this.#theirs), heldBy(this.#ours))
    const agreed = Promise.race(this.#mirrors.map((mirror) => mirror.until(() => find().join('\n') === wanted)))
    const late = Promise.withResolvers<void>()
    const timer = systemClock.setTimer(AGREE_MS, late.resolve)
    await Promise.race([agreed, late.promise])
    timer.cancel()
    return find()
  }

  /** Takes away what a case has put; resolves when both have said so. */
  async clear(): Promise<void> {
    const namespaces = await this.place.clear()
    const isGone = (mirror: MeshMirror): boolean =>
      ![...heldBy(mirror).keys()].some((key) => namespaces.has(namespaceOf(key)))
    await Promise.all(this.#mirrors.map((mirror) => mirror.until(() => isGone(mirror))))
  }

  /** Writes a pod, and resolves when both have told of it. */
  async #mark(): Promise<void> {
    const name = `marker-${++this.#marks}`
    const spec = { nodeName: 'node-m', containers: [{ name: 'c', image: 'i' }] }
    const status = { phase: 'Running', podIP: '10.9.9.9', podIPs: [{ ip: '10.9.9.9' }] }
    const metadata = { name, namespace: 'default' }
    const ref = await this.place.put({ apiVersion: 'v1', kind: 'Pod', metadata, spec, status })
    const key = `Kubernetes//Pod/default/${name}`
    await Promise.all(this.#mirrors.map((mirror) => mirror.until(() => mirror.addresses.has(key))))
    this.place.remove(ref)
    await Promise.all(this.#mirrors.map((mirror) => mirror.until(() => !mirror.addresses.has(key))))
  }

  get #mirrors(): readonly MeshMirror[] {
    return [this.#theirs, this.#ours]
  }

  /** A further client of istiod, which asks for each name. */
  async askOnDemand(): Promise<MeshMirror> {
    const endpoint = await endpointOf(this.istiod, this.place, await this.place.tunnelToken())
    return new MeshMirror(endpoint, { mode: 'on-demand' })
  }

  async close(): Promise<void> {
    await this.#theirs.client.close()
    await this.#lite.end()
    await this.istiod.stop()
    await this.place.close()
  }
}

export async function endpointOf(
  istiod: RealIstiod,
  { api }: IstioPlace,
  token: string,
): Promise<ConstructorParameters<typeof MeshMirror>[0]> {
  const secret = api.server.access.get({ group: '', resource: 'secrets', namespace: SYSTEM, name: 'istio-ca-secret' })
  const data = (secret?.data ?? {}) as Readonly<Record<string, string>>
  const pem = Buffer.from(data['ca-cert.pem'] ?? '', 'base64').toString()
  return {
    host: '127.0.0.1',
    port: istiod.ports.tls,
    roots: { kind: 'pem', pem },
    alternativeHost: `istiod.${SYSTEM}.svc`,
    token: { kind: 'literal', token },
    clusterId: 'Kubernetes',
    headers: [],
    allowTls12: false,
  }
}

type Held = ReadonlyMap<string, unknown>

/** By `<type> <name>`, as plain JSON whose lists without an order are sorted. */
function heldBy(mirror: MeshMirror): Held {
  const addresses = [...mirror.addresses].map(([name, each]): [string, unknown] => [`Address ${name}`, ordered(each)])
  const policies = [...mirror.policies].map(([name, each]): [string, unknown] => [
    `Authorization ${name}`,
    plain(orderedPolicy(each)),
  ])
  return new Map([...addresses, ...policies])
}

function ordered(address: MeshAddress): unknown {
  if (address.kind === 'service') return plain(address.service)
  const { services, ...workload } = address.workload
  return plain({ ...workload, services: new Map([...services].sort(([a], [b]) => (a < b ? -1 : 1))) })
}

function plain(value: object): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, item: unknown) => {
      if (item instanceof Map) return Object.fromEntries(item)
      if (typeof item !== 'object' || item === null) return item
      if ('prefixBits' in item) return formatCidr(item as Cidr)
      return 'notPrincipals' in item ? filled(item) : item
    }),
  )
}

/** Clauses of a rule must all hold: their order says nothing. */
function orderedPolicy(policy: Authorization): Authorization {
  const text = (clause: unknown): string => JSON.stringify(plain({ clause }))
  return { ...policy, rules: policy.rules.map((rule) => rule.toSorted((a, b) => (text(a) < text(b) ? -1 : 1))) }
}

/** Of the lists of a match only those that say something. */
function filled(match: object): object {
  return Object.fromEntries(Object.entries(match).filter(([, list]) => Array.isArray(list) && list.length > 0))
}

/** One line a field that differs; a resource that only one of them sends is one line too. */
function differencesOf(theirs: Held, ours: Held): readonly string[] {
  const lines = [...new Set([...theirs.keys(), ...ours.keys()])].flatMap((key) => {
    if (!ours.has(key)) return [`${key}: only istiod sends it`]
    if (!theirs.has(key)) return [`${key}: only istiod-lite sends it`]
    return fieldDifferences(theirs.get(key), ours.get(key), key)
  })
  return lines.sort()
}

function fieldDifferences(theirs: unknown, ours: unknown, at: string): readonly string[] {
  if (JSON.stringify(theirs) === JSON.stringify(ours)) return []
  if (isObject(theirs) && isObject(ours)) {
    const keys = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])]
    return keys.flatMap((key) => fieldDifferences(theirs[key], ours[key], `${at} .${key}`))
  }
  return [`${at}: istiod ${JSON.stringify(theirs)}, istiod-lite ${JSON.stringify(ours)}`]
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Of `Address <uid>`, `Address <namespace>/<host>` or `Authorization <namespace>/<name>`. */
function namespaceOf(key: string): string {
  const name = key.slice(key.indexOf(' ') + 1)
  const parts = name.split('/')
  return (parts.length > 2 ? parts[3] : parts[0]) ?? ''
}
