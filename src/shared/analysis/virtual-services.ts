import { isDeepStrictEqual } from 'node:util'
import { RE2JS } from 're2js'
import { formatPath, isRecord, type Path } from '#shared/document'
import { type MeshObjects, shownObject, wholeHost } from './mesh-objects.ts'
import { at, numberAt, recordsAt, textAt, textsAt } from './reading.ts'
import type { AnalysedObject, Finding, Json } from './types.ts'

const KIND = 'VirtualService.networking.istio.io'
const GATEWAY = 'Gateway.networking.istio.io'
const PROTOCOLS = ['http', 'tls', 'tcp'] as const
/** The name for all traffic inside the mesh. */
const MESH = 'mesh'

/** Where VirtualServices lead, and which of their routes ever decide. */
export function* virtualServices(mesh: MeshObjects): Generator<Finding> {
  for (const object of mesh.of(KIND)) {
    yield* gatewaysOf(mesh, object)
    for (const protocol of PROTOCOLS) yield* routesOf(mesh, object, protocol)
    yield* orderOf(object)
    yield* expressionsOf(object)
  }
  yield* hostsOfMesh(mesh)
}

function* gatewaysOf(mesh: MeshObjects, object: AnalysedObject): Generator<Finding> {
  for (const [i, gateway] of textsAt(object.document, 'spec', 'gateways').entries()) {
    if (gateway === MESH || gateway === '') continue
    const [name = '', namespace = object.namespace] = gateway.split('/').reverse()
    if (mesh.find(GATEWAY, namespace, name) === undefined)
      yield {
        code: 'IST0101',
        object,
        path: ['spec', 'gateways', i],
        reason: `there is no gateway ${namespace}/${name}`,
      }
  }
}

function* routesOf(
  mesh: MeshObjects,
  object: AnalysedObject,
  protocol: (typeof PROTOCOLS)[number],
): Generator<Finding> {
  for (const [i, rule] of recordsAt(object.document, 'spec', protocol).entries()) {
    const path: Path = ['spec', protocol, i]
    const routes = recordsAt(rule, 'route')
    for (const [j, route] of routes.entries()) {
      yield* destinationOf(mesh, object, route, [...path, 'route', j, 'destination'])
    }
    for (const [j, mirror] of recordsAt(rule, 'mirrors').entries())
      yield* destinationOf(mesh, object, { destination: mirror.destination }, [...path, 'mirrors', j, 'destination'])
    if (isRecord(rule.mirror)) yield* destinationOf(mesh, object, { destination: rule.mirror }, [...path, 'mirror'])
    if (routes.length > 1 && routes.every((route) => (numberAt(route, 'weight') ?? 0) === 0))
      yield { code: 'AMB0102', object, path: [...path, 'route'], reason: 'no destination has a weight above 0' }
  }
}

function* destinationOf(mesh: MeshObjects, object: AnalysedObject, route: Json, path: Path): Generator<Finding> {
  const host = textAt(route, 'destination', 'host')
  if (host === '') return
  const found = mesh.destination(host, object.namespace)
  if (found === undefined) {
    yield {
      code: 'IST0101',
      object,
      path: [...path, 'host'],
      reason: `there is no service with the host ${wholeHost(host, object.namespace)}`,
    }
    return
  }
  const subset = textAt(route, 'destination', 'subset')
  if (subset !== '' && !subsetsOf(mesh, wholeHost(host, object.namespace)).has(subset))
    yield {
      code: 'IST0101',
      object,
      path: [...path, 'subset'],
      reason: `no DestinationRule of ${found.host} has a subset ${subset}`,
    }
  const port = numberAt(route, 'destination', 'port', 'number')
  if (port === undefined && found.ports.length > 1)
    yield { code: 'IST0112', object, path, reason: `${found.host} has the ports ${found.ports.join(', ')}` }
  if (port !== undefined && !found.ports.includes(port))
    yield { code: 'IST0101', object, path: [...path, 'port'], reason: `${found.host} has no port ${port}` }
}

function subsetsOf(mesh: MeshObjects, host: string): ReadonlySet<string> {
  const rules = mesh
    .of('DestinationRule.networking.istio.io')
    .filter(({ document, namespace }) => wholeHost(textAt(document, 'spec', 'host'), namespace) === host)
  return new Set(
    rules.flatMap(({ document }) => recordsAt(document, 'spec', 'subsets').map((each) => textAt(each, 'name'))),
  )
}

/** The first route that matches counts. */
function* orderOf(object: AnalysedObject): Generator<Finding> {
  let all: number | undefined
  const seen: { readonly match: Json; readonly rule: number }[] = []
  for (const [i, rule] of recordsAt(object.document, 'spec', 'http').entries()) {
    const path: Path = ['spec', 'http', i]
    if (all !== undefined) {
      yield { code: 'IST0130', object, path, reason: `http[${all}] takes every request before it` }
      continue
    }
    const matches = recordsAt(rule, 'match')
    if (matches.length === 0 || matches.some(takesAll)) all = i
    const doubles = matches.map((match) => seen.find((before) => isDeepStrictEqual(before.match, conditionsOf(match))))
    if (matches.length > 0 && doubles.every((double) => double !== undefined))
      yield { code: 'IST0130', object, path, reason: `http[${doubles[0]?.rule}] takes the same requests before it` }
    else
      for (const [j, double] of doubles.entries())
        if (double !== undefined)
          yield {
            code: 'IST0131',
            object,
            path: [...path, 'match', j],
            reason: `http[${double.rule}] has the same match`,
          }
    seen.push(...matches.map((match) => ({ match: conditionsOf(match), rule: i })))
  }
}

/** A name decides nothing. */
function conditionsOf({ name: _, statPrefix: __, ...conditions }: Json): Json {
  return conditions
}

function takesAll(match: Json): boolean {
  const { uri, ...others } = conditionsOf(match)
  if (Object.keys(others).length > 0) return false
  return uri === undefined || isDeepStrictEqual(uri, { prefix: '/' }) || isDeepStrictEqual(uri, { regex: '.*' })
}

function* expressionsOf(object: AnalysedObject): Generator<Finding> {
  for (const [path, expression] of expressionsIn(at(object.document, 'spec'), ['spec'])) {
    try {
      RE2JS.compile(expression)
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      yield {
        code: 'IST0122',
        object,
        path,
        reason: `${formatPath(path.slice(-2))} is no regular expression: ${problem}`,
      }
    }
  }
}

function* expressionsIn(value: unknown, path: Path): Generator<[Path, string]> {
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* expressionsIn(item, [...path, i])
  else if (isRecord(value))
    for (const [key, item] of Object.entries(value)) {
      if (key === 'regex' && typeof item === 'string') yield [[...path, key], item]
      else yield* expressionsIn(item, [...path, key])
    }
}

function* hostsOfMesh(mesh: MeshObjects): Generator<Finding> {
  const inMesh = mesh.of(KIND).filter(({ document }) => {
    const gateways = textsAt(document, 'spec', 'gateways')
    return gateways.length === 0 || gateways.includes(MESH)
  })
  const claims = inMesh.flatMap((object) =>
    textsAt(object.document, 'spec', 'hosts').map((host, i) => ({
      object,
      i,
      host: wholeHost(host, object.namespace),
    })),
  )
  for (const [host, same] of Map.groupBy(claims, (claim) => claim.host)) {
    const holders = new Set(same.map(({ object }) => object))
    if (holders.size < 2) continue
    for (const { object, i } of same) {
      const others = [...holders].filter((other) => other !== object).map(shownObject)
      yield {
        code: 'IST0109',
        object,
        path: ['spec', 'hosts', i],
        reason: `${host} is also a host of ${others.join(', ')}`,
      }
    }
  }
}
