import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { addressFeed, MeshState } from '#shared/mesh-state'
import type { IpAddress } from '#shared/net'
import { addressType, type Subscription } from '#shared/xds'
import { HeldResources } from '../../src/shared/xds/held-resources.ts'
import type { DeltaResponse } from '../../src/shared/xds/messages.ts'
import { FakeClock } from './fake-clock.ts'
import { service, workload } from './mesh-builder.ts'

/** What a mesh of some size costs a tunnel. */
export interface MeshCost {
  /** From the decoded response to the last resource applied. */
  readonly loadMs: number
  /** Heap and what it refers to, after a collection. */
  readonly keptBytes: number
  /** The slowest of 1,000 changes of single workloads. */
  readonly slowestChangeMs: number
  /** Of one look-up of a service's address and its endpoints, over all services. */
  readonly lookUpUs: number
  /** Kept bytes that are left when the control plane has removed everything. */
  readonly leftBytes: number
}

const CHANGES = 1_000

/** A tunnel is told of so many workloads, each an endpoint of one service, as one response; then of changes; then of the end. */
export function costOfMesh(workloadCount: number, serviceCount: number): MeshCost {
  const mesh = new MeshState({ clock: new FakeClock(), nodeName: 'node-a' })
  const feed = addressFeed(mesh, addressType, 'wildcard')
  const held = new HeldResources(feed as Subscription<unknown>)
  const names: string[] = []
  const bytesOf = (i: number, status: 'Healthy' | 'Unhealthy' = 'Healthy') =>
    addressType.encode({
      kind: 'workload',
      workload: workload({
        name: `pod-${i}`,
        node: `node-${i % 500}`,
        status,
        addresses: [addressOf(10, i)],
        services: { [`default/${hostOf(i % serviceCount)}`]: { 80: 8080 } },
      }),
    })
  const uidOf = (i: number): string => `Kubernetes//Pod/default/pod-${i}`
  // Made one by one and not kept: only what the mesh keeps shall be counted.
  const whole = () => {
    const services = Array.from({ length: serviceCount }, (_, i) => {
      const one = service({ name: `svc-${i}`, hostname: hostOf(i), vips: [`/${addressOf(11, i)}`] })
      return resourceOf(`default/${hostOf(i)}`, addressType.encode({ kind: 'service', service: one }))
    })
    const workloads = Array.from({ length: workloadCount }, (_, i) => resourceOf(uidOf(i), bytesOf(i)))
    return responseOf([...services, ...workloads])
  }

  const emptyBytes = keptNow()
  const response = whole()
  for (const { name } of response.resources) names.push(name)
  const beganMs = performance.now()
  if (held.take(response).length > 0) throw new Error('resources were refused')
  const loadMs = performance.now() - beganMs
  response.resources.splice(0)
  const keptBytes = keptNow() - emptyBytes

  let slowestChangeMs = 0
  for (let i = 0; i < CHANGES; i++) {
    // Away and back again, all over the mesh.
    const at = Math.floor(((i >> 1) * 2 * workloadCount) / CHANGES)
    const change = responseOf([resourceOf(uidOf(at), bytesOf(at, i % 2 === 0 ? 'Unhealthy' : 'Healthy'))])
    const changedMs = performance.now()
    held.take(change)
    slowestChangeMs = Math.max(slowestChangeMs, performance.now() - changedMs)
  }

  const lookedUpMs = performance.now()
  for (let i = 0; i < serviceCount; i++) {
    const found = mesh.serviceByVip('', addressOf(11, i) as IpAddress, 'default')
    if (found?.hostname !== hostOf(i) || mesh.endpoints(`default/${hostOf(i)}`).length === 0)
      throw new Error(`service ${i} is not found whole`)
  }
  const lookUpUs = ((performance.now() - lookedUpMs) * 1000) / serviceCount

  held.take(responseOf([], names.splice(0)))
  if ([...mesh.workloads()].length + [...mesh.services()].length > 0) throw new Error('something was not removed')
  return { loadMs, keptBytes, slowestChangeMs, lookUpUs, leftBytes: keptNow() - emptyBytes }
}

function hostOf(i: number): string {
  return `svc-${i}.default.svc.cluster.local`
}

function addressOf(first: number, i: number): string {
  return `${first}.${i >> 16}.${(i >> 8) & 0xff}.${i & 0xff}`
}

type Resource = DeltaResponse['resources'][number]

function resourceOf(name: string, value: Uint8Array): Resource {
  return { name, version: '1', aliases: [], resource: { type_url: addressType.typeUrl, value } }
}

function responseOf(
  resources: Resource[],
  removedResources: string[] = [],
): DeltaResponse & { readonly resources: Resource[] } {
  return { systemVersionInfo: '', typeUrl: addressType.typeUrl, nonce: '1', resources, removedResources }
}

let collect: (() => void) | undefined

function keptNow(): number {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
