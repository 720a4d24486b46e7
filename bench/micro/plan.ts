// node --conditions=source bench/micro/plan.ts
import type { Service, Workload } from '#shared/model'
import { planTunnelled } from '../../src/ztunnel/inbound/plan.ts'
import { plan } from '../../src/ztunnel/outbound/plan.ts'
import { addressUpdate, meshOf, service, socket, workload } from '../../test/support/mesh-builder.ts'
import { type Measured, measure, measureOnce, print } from './measure.ts'

const OWN_PORTS = new Set([15_001, 15_006, 15_008])
const SERVICES = 1000
const PODS_PER_SERVICE = 20

function address(n: number): string {
  return `10.${100 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`
}

const services: Service[] = []
const pods: Workload[] = []
for (let s = 0; s < SERVICES; s++) {
  services.push(service({ name: `s${s}`, vips: [`10.96.${s >> 8}.${s & 255}`] }))
  for (let p = 0; p < PODS_PER_SERVICE; p++) {
    const key = `default/s${s}.default.svc.cluster.local`
    pods.push(workload({ name: `s${s}-${p}`, addresses: [address(pods.length)], services: { [key]: {} } }))
  }
}
const big = 'default/big.default.svc.cluster.local'
services.push(service({ name: 'big', vips: ['10.97.0.1'] }))
for (let p = 0; p < 1000; p++) {
  pods.push(workload({ name: `big-${p}`, addresses: [address(pods.length)], services: { [big]: {} } }))
}

const lines: Measured[] = []
const client = workload({ name: 'client', addresses: ['10.0.0.1'] })
const everything = [client, ...services, ...pods]
lines.push(measureOnce(`apply ${everything.length} resources`, () => meshOf(everything)))
const mesh = meshOf(everything)

let seed = 1
const random = (): number => {
  seed = (seed * 48_271) % 2_147_483_647
  return seed / 2_147_483_647
}
const outbound = (to: string): (() => unknown) => {
  const request = {
    workload: client,
    source: socket('10.0.0.1:40000'),
    originalDestination: socket(to),
    network: '',
    ownPorts: OWN_PORTS,
  }
  return () => plan(mesh, request, { random })
}
lines.push(measure('plan to a service of 20 endpoints', outbound('10.96.1.7:80')))
lines.push(measure('plan to a service of 1000 endpoints', outbound('10.97.0.1:80')))
lines.push(measure('plan to a workload’s address', outbound(`${address(0)}:8080`)))
lines.push(measure('plan to an unknown address', outbound('192.0.2.1:443')))

const server = pods[0] as Workload
const inbound = {
  workload: server,
  network: '',
  source: socket('10.0.0.1:40000'),
  acceptedOn: socket(`${address(0)}:15008`),
  target: { kind: 'address', ...socket(`${address(0)}:8080`) } as const,
  forwardedHost: undefined,
  ownPorts: OWN_PORTS,
  isAppTunnelOnLoopback: false,
}
lines.push(measure('plan an inbound connection', () => planTunnelled(mesh, inbound)))
lines.push(
  measure('one of 1000 endpoints changes, then plan to its service', () => {
    mesh.applyAddresses(addressUpdate([pods.at(-1) as Workload]))
    return outbound('10.97.0.1:80')()
  }),
)
print(lines)
