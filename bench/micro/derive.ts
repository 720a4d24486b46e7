// node --conditions=source bench/micro/derive.ts
import type { KubeObject } from '#shared/k8s'
import { DerivedMesh } from '../../test/support/derived-mesh.ts'
import { head, objectsOf } from '../../test/support/object-texts.ts'
import { distribution, measureOnce, print, printDistribution } from './measure.ts'

const PODS = 10_000
const SERVICES = 2_000
const NAMESPACES = 50
const NODES = 100
const CHANGES = 2_000

/** Every service selects as many pods; pods are spread over namespaces and nodes. */
function pod(i: number, isReady: boolean): string {
  const service = i % SERVICES
  const ready = `conditions: [{type: Ready, status: "${isReady ? 'True' : 'False'}"}]`
  return `${head('Pod', `ns-${service % NAMESPACES}`, `p-${i}`)}  labels: {app: s-${service}, version: v1}\nspec: {nodeName: n-${i % NODES}, containers: [{name: app, ports: [{name: http, containerPort: 8080}]}]}\nstatus: {phase: Running, podIP: 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}, ${ready}}\n`
}

function service(i: number): string {
  return `${head('Service', `ns-${i % NAMESPACES}`, `s-${i}`)}spec: {clusterIP: 10.96.${i >> 8}.${i & 255}, selector: {app: s-${i}}, ports: [{name: http, port: 80, targetPort: http}]}\n`
}

function node(i: number): string {
  return `apiVersion: v1\nkind: Node\nmetadata: {name: n-${i}, labels: {topology.kubernetes.io/zone: z-${i % 3}}}\n`
}

function read(texts: readonly string[]): readonly KubeObject[] {
  return objectsOf(texts)
}

const objects = [
  ...read(Array.from({ length: NODES }, (_, i) => node(i))),
  ...read(Array.from({ length: SERVICES }, (_, i) => service(i))),
  ...read(Array.from({ length: PODS }, (_, i) => pod(i, true))),
]
const derived = new DerivedMesh()
print([measureOnce(`derive ${PODS} pods and ${SERVICES} services from nothing`, () => derived.hold(objects))])

/** Pods that stop being ready one after the other, then become it again. */
const turns = [false, true].map((isReady) =>
  read(Array.from({ length: CHANGES }, (_, i) => pod((i * 7919) % PODS, isReady))),
)
let changes = 0
/** The changed object is there; what is measured goes from it to what can be sent. */
const change = (): number => {
  const turn = turns[Math.floor(changes / CHANGES) % turns.length] ?? []
  derived.table.put(turn[changes++ % CHANGES] as KubeObject)
  derived.graph.settle()
  return changes
}
const runsBefore = derived.runs()
const cpuBefore = process.cpuUsage()
const timing = distribution('one pod changes, until its resource can be sent', change, CHANGES)
const { user, system } = process.cpuUsage(cpuBefore)
const runs = derived.runs() - runsBefore
printDistribution(timing)
process.stdout.write(
  `${(runs / changes).toFixed(2)} derivations and ${((user + system) / changes).toFixed(0)} µs of CPU a change, ` +
    `${(process.memoryUsage().rss / 1024 ** 2).toFixed(0)} MiB resident\n`,
)
