// node --conditions=source bench/micro/hpack.ts
import { HpackDecoder, HpackEncoder } from '../../src/shared/http2/hpack/index.ts'
import type { HeaderList } from '../../src/shared/http2/types.ts'
import { type Measured, measure, print } from './measure.ts'

const LIMITS = { maxTableBytes: 4096, maxListBytes: 65_536, maxFields: 256 }
const BLOCKS = 500

const grpc = (i: number): HeaderList => [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/shop.Catalog/GetProduct'],
  [':authority', 'catalog.shop.svc.cluster.local:8080'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
  ['user-agent', 'grpc-go/1.68.0'],
  ['grpc-accept-encoding', 'gzip'],
  ['grpc-timeout', '999m'],
  ['traceparent', `00-4bf92f3577b34da6a3ce929d0e0e${1000 + i}-00f067aa0ba902b7-01`],
  ['x-request-id', `6f1c7a9a-3f58-4d26-8a0c-8f2f7d1f${1000 + i}`],
]
const tunnel = (i: number): HeaderList => [
  [':method', 'CONNECT'],
  [':authority', '10.0.3.17:8080'],
  ['baggage', 'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=web,service.name=web'],
  ['forwarded', `for="10.0.1.5:${30_000 + i}";host=cart.shop.svc.cluster.local`],
  ['traceparent', `00-4bf92f3577b34da6a3ce929d0e0e${1000 + i}-00f067aa0ba902b7-00`],
]

/** Blocks that leave the table alone, as on a connection that has been in use for a while. */
function benchOf(title: string, list: (i: number) => HeaderList, tableBytes: number): Measured[] {
  const encoder = new HpackEncoder(tableBytes)
  const decoder = new HpackDecoder(LIMITS)
  const lists = Array.from({ length: 2 * BLOCKS }, (_, i) => list(i))
  const blocks = lists.map((headers) => Buffer.from(encoder.encode(headers)))
  for (const block of blocks) decoder.decode(block, 0, block.length)
  const steady = blocks.slice(BLOCKS)
  const at = (i: number): Buffer => steady[i % BLOCKS] as Buffer
  const bytes = at(0).length
  return [
    measure(`decode ${title}, ${bytes} bytes`, (i) => decoder.decode(at(i), 0, at(i).length)),
    measure(`encode ${title}, ${bytes} bytes`, (i) => encoder.encode(lists[i % BLOCKS] as HeaderList)),
  ]
}

print([
  ...benchOf('a gRPC request of 11 fields, tables warm', grpc, 4096),
  ...benchOf('a gRPC request of 11 fields, no table', grpc, 0),
  ...benchOf('a CONNECT of 5 fields, tables warm', tunnel, 4096),
])
