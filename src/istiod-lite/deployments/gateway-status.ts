import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '#shared/document'
import type { EndpointSlice, Service } from '#shared/k8s'
import { editConditions, type StatedCondition, type StatusEdit } from '../status/index.ts'
import type { GatewayPlan } from './plan.ts'

/** What a Gateway is told, before it is put beside what its status says already. */
export interface GatewayStatus {
  readonly key: string
  readonly generation: number | undefined
  /** Undefined: as they are; an address that was once given is never taken back. */
  readonly addresses: readonly { readonly type: string; readonly value: string }[] | undefined
  readonly conditions: readonly StatedCondition[]
  readonly listeners: readonly { readonly name: string; readonly conditions: readonly StatedCondition[] }[]
}

export interface StatusFacts {
  readonly clusterDomain: string
  /** By `namespace/name`. */
  readonly serviceOf: (key: string) => Service | undefined
  readonly slicesOf: (key: string) => readonly EndpointSlice[]
  /** Objects of others that have a name which is needed, as text. */
  readonly inTheWay: readonly string[]
}

const ADDRESS_TYPE = 'networking.istio.io/address-type'

/**
 * Undefined: somebody else speaks for it.
 *
 * @see istio-control-plane c.1
 */
export function decideStatus(plan: GatewayPlan, facts: StatusFacts): GatewayStatus | undefined {
  const { gateway, listeners, decision } = plan
  if (decision.kind === 'left') return undefined
  const { accepted, programmed, addresses } = judge(plan, facts)
  return {
    key: `${gateway.metadata.namespace}/${gateway.metadata.name}`,
    generation: gateway.metadata.generation,
    addresses,
    conditions: [accepted, programmed],
    listeners: listeners.map(({ name, verdict }) => {
      const isAccepted = verdict.kind === 'accepted'
      const refusal = isAccepted ? undefined : verdict
      const message = refusal?.problem ?? 'the listener is valid'
      return {
        name,
        conditions: [
          condition('Accepted', isAccepted, refusal?.reason ?? 'Accepted', message),
          condition('ResolvedRefs', true, 'ResolvedRefs', 'it refers to nothing that is missing'),
          condition('Conflicted', false, 'NoConflicts', 'no other listener is in its way'),
          isAccepted && programmed.status === 'True'
            ? condition('Programmed', true, 'Programmed', 'it is served')
            : condition(
                'Programmed',
                false,
                isAccepted ? 'Pending' : 'Invalid',
                refusal?.problem ?? programmed.message,
              ),
        ],
      }
    }),
  }
}

interface Judgement {
  readonly accepted: StatedCondition
  readonly programmed: StatedCondition
  readonly addresses: GatewayStatus['addresses']
}

function judge({ gateway, listeners, decision }: GatewayPlan, facts: StatusFacts): Judgement {
  const accepted = condition('Accepted', true, 'Accepted', 'the Gateway is valid')
  const no = (reason: string, message: string, event: StatedCondition['event'] = 'none'): Judgement => ({
    accepted,
    programmed: condition('Programmed', false, reason, message, event),
    addresses: undefined,
  })
  switch (decision.kind) {
    case 'left':
      return no('Pending', `controller version ${decision.version} has taken it over`)
    case 'refused': {
      const { reason, problem } = decision
      const refused = no('Invalid', `${problem}: what has been made for it stays as it is`)
      return { ...refused, accepted: condition('Accepted', false, reason, problem, 'Warning') }
    }
    case 'remote': {
      const addresses = gateway.spec.addresses.filter(({ value }) => value !== '')
      if (addresses.length === 0) return no('AddressNotAssigned', 'spec.addresses names none')
      return { accepted, programmed: condition('Programmed', true, 'Programmed', 'it is run elsewhere'), addresses }
    }
    case 'managed':
    case 'unmanaged': {
      const [inTheWay] = facts.inTheWay
      if (inTheWay !== undefined)
        return no(
          'Invalid',
          `${inTheWay} is there already, and was not made for this Gateway: it is not touched`,
          'Warning',
        )
      const ports = listeners.filter(({ verdict }) => verdict.kind === 'accepted').map(({ port }) => port)
      const keys = decision.kind === 'managed' ? [decision.service] : decision.services
      const services = keys.map((key) => judgeService(key, ports, facts))
      if (services.length === 0)
        return no('AddressNotUsable', 'spec.addresses names no service of this cluster', 'Warning')
      const notUsable = services.flatMap((service) => (service.kind === 'not-usable' ? service.message : []))
      // Of our own service, which is being made, it is no news.
      const event = decision.kind === 'managed' ? 'none' : 'Warning'
      if (notUsable.length > 0) return no('AddressNotUsable', notUsable.join('; '), event)
      const addresses = services.flatMap((service) => (service.kind === 'usable' ? service.addresses : []))
      if (addresses.length === 0)
        return no(
          'AddressNotAssigned',
          `no pod behind service ${keys.join(', ')} is ready: traffic goes past the waypoint`,
        )
      const kept = addresses.filter(({ type }) => type === (gateway.metadata.annotations[ADDRESS_TYPE] ?? type))
      if (kept.length === 0) return no('AddressNotUsable', `annotation ${ADDRESS_TYPE} leaves no address`)
      const message = `it is reached at ${kept.map(({ value }) => value).join(', ')}`
      return { accepted, programmed: condition('Programmed', true, 'Programmed', message, 'Normal'), addresses: kept }
    }
  }
}

type ServiceVerdict =
  | { readonly kind: 'not-usable'; readonly message: string }
  | { readonly kind: 'not-ready' }
  | { readonly kind: 'usable'; readonly addresses: readonly { readonly type: string; readonly value: string }[] }

function judgeService(key: string, ports: readonly number[], facts: StatusFacts): ServiceVerdict {
  const service = facts.serviceOf(key)
  if (service === undefined) return { kind: 'not-usable', message: `there is no service ${key}` }
  const served = service.spec.ports.filter(({ port }) => ports.includes(port))
  const missing = ports.find((port) => !served.some((each) => each.port === port))
  if (missing !== undefined) return { kind: 'not-usable', message: `service ${key} has no port ${missing}` }
  const names = new Set(served.map(({ name }) => name))
  const isReady = facts
    .slicesOf(key)
    .some(
      (slice) =>
        slice.endpoints.some(({ ready, addresses }) => ready && addresses.length > 0) &&
        slice.ports.some(({ name }) => names.has(name)),
    )
  if (!isReady) return { kind: 'not-ready' }
  const { name, namespace } = service.metadata
  const host = `${name}.${namespace}.svc.${facts.clusterDomain}`
  const ips = service.spec.clusterIPs.map((value) => ({ type: 'IPAddress', value }))
  return { kind: 'usable', addresses: [...ips, { type: 'Hostname', value: host }] }
}

function condition(
  type: string,
  isTrue: boolean,
  reason: string,
  message: string,
  event: StatedCondition['event'] = 'none',
): StatedCondition {
  return { type, status: isTrue ? 'True' : 'False', reason, message, event }
}

/**
 * Puts what a Gateway is told beside what others have written into its status. A route cannot be attached to a waypoint's
 * listener: the waypoint's routes are those of the services that it serves.
 */
export function editStatus({ addresses, conditions, listeners, generation }: GatewayStatus): StatusEdit {
  const conditionsEdit = (stated: readonly StatedCondition[]): StatusEdit =>
    editConditions({
      ownTypes: new Set(stated.map(({ type }) => type)),
      stated,
      observedGeneration: generation,
    })
  return (status, now) => {
    const listed = Array.isArray(status.listeners) ? status.listeners.filter(isRecord) : []
    const ofListeners = listeners.map(({ name, conditions: stated }) => {
      const before = listed.find((each) => each.name === name)
      const change = conditionsEdit(stated)(before ?? {}, now)
      const merged = change === undefined ? before?.conditions : change.patch.conditions
      return { name, attachedRoutes: 0, supportedKinds: [], conditions: merged }
    })
    const change = conditionsEdit(conditions)(status, now)
    const patch = {
      ...(addresses === undefined || isDeepStrictEqual(status.addresses, addresses) ? {} : { addresses }),
      ...(isDeepStrictEqual(status.listeners ?? [], ofListeners) ? {} : { listeners: ofListeners }),
      ...change?.patch,
    }
    return Object.keys(patch).length === 0 ? undefined : { patch, events: change?.events ?? [] }
  }
}
