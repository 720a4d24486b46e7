import { integer, list, oneOf, optional, type Report, record, type Shape, text, textMap } from '#shared/document'
import { type KindBody, MAX_PORT } from './core-kinds.ts'
import type {
  AllowedNamespaces,
  Gateway,
  GatewayClass,
  ObjectRef,
  ReferenceGrant,
  StatusCondition,
} from './gateway-types.ts'
import { metadataSelector } from './metadata-selector.ts'

const GATEWAY_GROUP = 'gateway.networking.k8s.io'

const objectRef: Shape<ObjectRef> = record({ group: text(''), kind: text(), namespace: text(''), name: text() })

const condition: Shape<StatusCondition> = record({
  type: text(),
  status: text(),
  reason: text(''),
  message: text(''),
  observedGeneration: (value: unknown): number => (typeof value === 'number' ? value : 0),
  lastTransitionTime: text(''),
})

const classSpec = record({ controllerName: text(), parametersRef: optional(objectRef) })
const classStatus = record({ conditions: list(condition) })

export const gatewayClassBody: KindBody<Pick<GatewayClass, 'spec' | 'status'>> = (document, report) => ({
  spec: classSpec(document.spec ?? {}, ['spec'], report),
  status: classStatus(document.status ?? {}, ['status'], report),
})

const namespacesFields = record({
  from: oneOf(['All', 'Selector', 'Same'], 'Same'),
  selector: optional(metadataSelector),
})

const allowedNamespaces: Shape<AllowedNamespaces> = (value, path, report) => {
  const { from, selector } = namespacesFields(value, path, report)
  if (from !== 'Selector') return { from }
  if (selector === undefined) report([...path, 'selector'], 'is missing for from: Selector')
  return selector === undefined ? { from: 'Same' } : { from, selector }
}

const address = record({ type: text('IPAddress'), value: text('') })
// Of a status whose addresses have no type nothing is guessed (istio-control-plane b.4).
const statusAddress = record({ type: text(''), value: text('') })

const gatewaySpec = record({
  gatewayClassName: text(),
  listeners: list(
    record({
      name: text(),
      port: integer(1, MAX_PORT),
      protocol: text(),
      hostname: text(''),
      allowedRoutes: record({
        namespaces: allowedNamespaces,
        kinds: list(record({ group: text(GATEWAY_GROUP), kind: text() })),
      }),
    }),
  ),
  addresses: list(address),
  infrastructure: optional(record({ labels: textMap, annotations: textMap, parametersRef: optional(objectRef) })),
})

const gatewayStatus = record({
  addresses: list(statusAddress),
  conditions: list(condition),
  listeners: list(
    record({ name: text(), attachedRoutes: integer(0, Number.MAX_SAFE_INTEGER), conditions: list(condition) }),
  ),
})

export const gatewayBody: KindBody<Pick<Gateway, 'spec' | 'status'>> = (document, report) => {
  const spec = gatewaySpec(document.spec ?? {}, ['spec'], report)
  reportTwins(spec.listeners, report)
  return { spec, status: gatewayStatus(document.status ?? {}, ['status'], report) }
}

/** A route names a listener by its name, so no two may share one. */
function reportTwins(listeners: Gateway['spec']['listeners'], report: Report): void {
  listeners.forEach(({ name }, i) => {
    const twin = listeners.findIndex((other) => other.name === name)
    if (twin < i) report(['spec', 'listeners', i, 'name'], `is the same as of spec.listeners[${twin}]`)
  })
}

const grantSpec = record({
  from: list(record({ group: text(), kind: text(), namespace: text() })),
  to: list(record({ group: text(), kind: text(), name: optional(text()) })),
})

export const referenceGrantBody: KindBody<Pick<ReferenceGrant, 'spec'>> = (document, report) => ({
  spec: grantSpec(document.spec ?? {}, ['spec'], report),
})
