import { isRecord, type Path } from '#shared/document'
import { type MeshObjects, shownObject } from './mesh-objects.ts'
import { at, durationAt, numberAt, recordsAt, textAt, textsAt } from './reading.ts'
import type { AnalysedObject, Finding, Json } from './types.ts'

/** Tries that a route makes of one request to one service, and from where. */
interface Layer {
  readonly object: AnalysedObject
  readonly path: Path
  readonly service: string
  /** A gateway's routes and the mesh's apply one after the other. */
  readonly from: 'gateway' | 'mesh'
  readonly tries: number
}

/** More tries in all than this are told of: one layer alone may have as many. */
const MAX_TRIES = 4

/** Retries that multiply, and time limits that end them. */
export function* retries(mesh: MeshObjects): Generator<Finding> {
  const layers = mesh.of('VirtualService.networking.istio.io').flatMap((object) => [...layersOf(mesh, object)])
  for (const same of Map.groupBy(layers, (layer) => layer.service).values()) {
    const most = (from: Layer['from']): Layer | undefined =>
      same.filter((layer) => layer.from === from).sort((a, b) => b.tries - a.tries)[0]
    const [outer, inner] = [most('gateway'), most('mesh')]
    if (outer === undefined || inner === undefined || outer.tries * inner.tries <= MAX_TRIES) continue
    yield amplified(outer, inner)
    if (outer.object !== inner.object) yield amplified(inner, outer)
  }
  for (const object of mesh.of('VirtualService.networking.istio.io')) yield* timeouts(object)
}

function amplified({ object, path, service, tries }: Layer, other: Layer): Finding {
  const all = tries * other.tries
  const reason = `up to ${tries} tries here, and ${other.tries} by ${shownObject(other.object)}: ${all} requests to ${service} for one`
  return { code: 'AMB0701', object, path, reason }
}

function* layersOf(mesh: MeshObjects, object: AnalysedObject): Generator<Layer> {
  const gateways = textsAt(object.document, 'spec', 'gateways')
  const from: Layer['from'][] = [
    ...(gateways.some((gateway) => gateway !== 'mesh') ? (['gateway'] as const) : []),
    ...(gateways.length === 0 || gateways.includes('mesh') ? (['mesh'] as const) : []),
  ]
  for (const [i, rule] of recordsAt(object.document, 'spec', 'http').entries()) {
    const attempts = numberAt(rule, 'retries', 'attempts') ?? 0
    if (attempts === 0) continue
    for (const route of recordsAt(rule, 'route')) {
      const service = mesh.destination(textAt(route, 'destination', 'host'), object.namespace)?.host
      if (service === undefined) continue
      for (const each of from)
        yield { object, path: ['spec', 'http', i, 'retries'], service, from: each, tries: attempts + 1 }
    }
  }
}

function* timeouts(object: AnalysedObject): Generator<Finding> {
  for (const [i, rule] of recordsAt(object.document, 'spec', 'http').entries()) {
    const path: Path = ['spec', 'http', i, 'timeout']
    const [timeoutMs, perTryMs] = [durationAt(rule, 'timeout'), perTryOf(rule)]
    if (timeoutMs === undefined || timeoutMs === 0 || perTryMs === undefined || timeoutMs > perTryMs) continue
    yield {
      code: 'AMB0702',
      object,
      path,
      reason: `${textAt(rule, 'timeout')} is over before a try of ${textAt(rule, 'retries', 'perTryTimeout')} can fail`,
    }
  }
}

function perTryOf(rule: Json): number | undefined {
  const isRetrying = isRecord(at(rule, 'retries')) && (numberAt(rule, 'retries', 'attempts') ?? 0) > 0
  return isRetrying ? durationAt(rule, 'retries', 'perTryTimeout') : undefined
}
