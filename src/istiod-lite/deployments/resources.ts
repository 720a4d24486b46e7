import type { ApiResource } from '#shared/kube-client'
import type { OverlayKey } from './parameters.ts'

/** Everything that is made for a Gateway, in the order in which it is made. */
export const RESOURCES: Readonly<Record<OverlayKey, ApiResource>> = {
  serviceAccount: { apiVersion: 'v1', kind: 'ServiceAccount', resource: 'serviceaccounts', namespaced: true },
  deployment: { apiVersion: 'apps/v1', kind: 'Deployment', resource: 'deployments', namespaced: true },
  service: { apiVersion: 'v1', kind: 'Service', resource: 'services', namespaced: true },
  horizontalPodAutoscaler: {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    resource: 'horizontalpodautoscalers',
    namespaced: true,
  },
  podDisruptionBudget: {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    resource: 'poddisruptionbudgets',
    namespaced: true,
  },
}

export const GATEWAY: ApiResource = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  resource: 'gateways',
  namespaced: true,
}

export const MANAGED_LABEL = 'gateway.istio.io/managed'
export const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name'
export const CLASS_NAME_LABEL = 'gateway.networking.k8s.io/gateway-class-name'
/** What marks as ours whatever is made for a waypoint. */
export const MANAGER = 'istio.io-mesh-controller'
