import type { KubeObject } from './types.ts'

/** Gateway API: a kind of gateway, and who makes gateways of it. */
export interface GatewayClass extends KubeObject {
  readonly kind: 'GatewayClass'
  readonly spec: {
    readonly controllerName: string
    readonly parametersRef: ObjectRef | undefined
  }
  readonly status: { readonly conditions: readonly StatusCondition[] }
}

/** Gateway API: where traffic comes in. Waypoints are Gateways, too. */
export interface Gateway extends KubeObject {
  readonly kind: 'Gateway'
  readonly spec: {
    readonly gatewayClassName: string
    readonly listeners: readonly GatewayListener[]
    /** Addresses that its author asks for. */
    readonly addresses: readonly GatewayStatusAddress[]
    /** What is made for the Gateway shall look so; undefined when nothing is said. */
    readonly infrastructure: GatewayInfrastructure | undefined
  }
  readonly status: {
    /** Addresses under which it is reached; empty until it is. */
    readonly addresses: readonly GatewayStatusAddress[]
    readonly conditions: readonly StatusCondition[]
    readonly listeners: readonly GatewayListenerStatus[]
  }
}

export interface GatewayListener {
  readonly name: string
  readonly port: number
  /** `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or a word of an implementation: `HBONE`. */
  readonly protocol: string
  /** Empty = every host. */
  readonly hostname: string
  readonly allowedRoutes: {
    readonly namespaces: AllowedNamespaces
    /** Empty = whatever suits the protocol. */
    readonly kinds: readonly { readonly group: string; readonly kind: string }[]
  }
}

/** Whose routes, or whose traffic, may come: all namespaces, the Gateway's own, or those with these labels. */
export type AllowedNamespaces =
  | { readonly from: 'All' }
  | { readonly from: 'Same' }
  | { readonly from: 'Selector'; readonly selector: MetadataSelector }

export interface GatewayStatusAddress {
  /** `IPAddress`, `Hostname`, or a word of an implementation; empty when not given. */
  readonly type: string
  readonly value: string
}

export interface GatewayInfrastructure {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly parametersRef: ObjectRef | undefined
}

export interface GatewayListenerStatus {
  readonly name: string
  readonly attachedRoutes: number
  readonly conditions: readonly StatusCondition[]
}

/** Another object by group, kind and name; `namespace` is empty where the kind has none, or it is the referrer's own. */
export interface ObjectRef {
  readonly group: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** A condition as it stands on an object. */
export interface StatusCondition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
  readonly lastTransitionTime: string
}

/** Kubernetes' selector of labels: everything that it says must hold; one that says nothing selects everything. */
export interface MetadataSelector {
  readonly matchLabels: Readonly<Record<string, string>>
  readonly matchExpressions: readonly SelectorExpression[]
}

export interface SelectorExpression {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values: readonly string[]
}

/** Gateway API: who of another namespace may refer to objects of this one. */
export interface ReferenceGrant extends KubeObject {
  readonly kind: 'ReferenceGrant'
  readonly spec: {
    readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[]
    /** `name` undefined = every object of the kind. */
    readonly to: readonly { readonly group: string; readonly kind: string; readonly name: string | undefined }[]
  }
}
