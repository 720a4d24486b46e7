import { isDeepStrictEqual } from 'node:util'
import type { ApiObject } from '../../apiserver/index.ts'
import type { Controller, Environment, Watched } from '../core/controller.ts'
import {
  ENDPOINT_SLICES,
  ENDPOINTS,
  isDeleting,
  keyOf,
  listOf,
  ownerReference,
  ownKey,
  PODS,
  read,
  refTo,
  SERVICES,
  typeOf,
} from '../core/kinds.ts'
import type { EndpointSlice, Endpoints, Labels, Pod, Service } from '../core/shapes.ts'
import { endpointGroups, endpointSubsets, hasSelector, isSelected } from './endpoints-of-service.ts'
import { planSlices } from './slice-plan.ts'

const SERVICE_NAME = 'kubernetes.io/service-name'
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by'
const MANAGER = 'endpointslice-controller.k8s.io'
/** Addresses of one Endpoints object; the rest is only in the slices, as in Kubernetes. */
const MAX_ADDRESSES = 1_000

/** Slices of all services with a selector. */
export function endpointSlices({ access }: Environment): Controller {
  return {
    name: 'endpointslice',
    watches: [
      { kind: SERVICES, keysOf: ownKey },
      podsOfServices(access),
      {
        kind: ENDPOINT_SLICES,
        keysOf: ({ object: { metadata } }) =>
          metadata.labels?.[MANAGED_BY] === MANAGER ? [`${metadata.namespace}/${metadata.labels[SERVICE_NAME]}`] : [],
      },
    ],
    async reconcile(key) {
      const service = read(access, SERVICES, key)
      // Slices of a service that is gone go by their owner.
      if (service === undefined || isDeleting(service)) return undefined
      const { namespace = '', name } = service.metadata
      const slices = listOf(access, ENDPOINT_SLICES, namespace).filter(
        ({ metadata }) => metadata.labels?.[MANAGED_BY] === MANAGER && metadata.labels[SERVICE_NAME] === name,
      )
      const groups = hasSelector(service) ? endpointGroups(service, listOf(access, PODS, namespace)) : []
      const plan = planSlices(groups, slices)
      const labels = sliceLabels(service)
      for (const { slice, endpoints } of plan.update) await access.update({ ...slice, endpoints })
      for (const { addressType, ports, endpoints } of plan.create) {
        const slice: EndpointSlice = {
          ...typeOf(ENDPOINT_SLICES),
          metadata: {
            name: '',
            generateName: `${name}-`,
            namespace,
            labels,
            ownerReferences: [ownerReference(SERVICES, service)],
          },
          addressType,
          endpoints,
          ports,
        }
        await access.create(slice, { fieldManager: MANAGER })
      }
      for (const slice of plan.delete) {
        await access.delete(refTo(ENDPOINT_SLICES, slice), { preconditions: { uid: slice.metadata.uid } })
      }
      return undefined
    },
  }
}

/** The older Endpoints of all services with a selector, for `kubectl get endpoints` and old clients. */
export function endpoints({ access }: Environment): Controller {
  return {
    name: 'endpoints',
    watches: [{ kind: SERVICES, keysOf: ownKey }, podsOfServices(access), { kind: ENDPOINTS, keysOf: ownKey }],
    async reconcile(key) {
      const service = read(access, SERVICES, key)
      const current = read(access, ENDPOINTS, key)
      if (service === undefined || isDeleting(service) || !hasSelector(service)) {
        if (service === undefined && current !== undefined && isOurs(current)) await remove(current)
        return undefined
      }
      const { namespace = '', name } = service.metadata
      const groups = endpointGroups(service, listOf(access, PODS, namespace))
      const bounded = groups.map((group) => ({ ...group, endpoints: group.endpoints.slice(0, MAX_ADDRESSES) }))
      const subsets = endpointSubsets(bounded)
      const labels = { ...service.metadata.labels, [MANAGED_BY]: MANAGER }
      if (current === undefined) {
        const metadata = { name, namespace, labels }
        await access.create({ ...typeOf(ENDPOINTS), metadata, subsets }, { fieldManager: MANAGER })
      } else if (!isDeepStrictEqual(current.subsets ?? [], subsets)) {
        await access.update({ ...current, metadata: { ...current.metadata, labels }, subsets })
      }
      return undefined
    },
  }

  function remove(object: ApiObject): Promise<void> {
    return access.delete(refTo(ENDPOINTS, object), { preconditions: { uid: object.metadata.uid } })
  }
}

function isOurs({ metadata }: Endpoints): boolean {
  return metadata.labels?.[MANAGED_BY] === MANAGER
}

function podsOfServices(access: Environment['access']): Watched {
  // A pod that is relabelled leaves services that its new labels no longer tell.
  const last = new Map<string, Pod>()
  return {
    kind: PODS,
    keysOf({ type, object }) {
      const pod = object as Pod
      const key = keyOf(pod)
      const before = last.get(key)
      if (type === 'DELETED') last.delete(key)
      else last.set(key, pod)
      return listOf(access, SERVICES, pod.metadata.namespace ?? '')
        .filter((service) => isSelected(service, pod) || (before !== undefined && isSelected(service, before)))
        .map(keyOf)
    },
  }
}

function sliceLabels({ metadata, spec }: Service): Labels {
  return {
    ...metadata.labels,
    [SERVICE_NAME]: metadata.name,
    [MANAGED_BY]: MANAGER,
    ...(spec.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {}),
  }
}
