import type { MetadataSelector } from './gateway-types.ts'
import type { KubeObject } from './types.ts'

/** Istio: services that the cluster does not know by itself. */
export interface ServiceEntry extends KubeObject {
  readonly kind: 'ServiceEntry'
  readonly spec: ServiceEntrySpec
  readonly status: {
    /** What was allocated for hosts that have no address of their own. */
    readonly addresses: readonly HostAddress[]
  }
}

export interface ServiceEntrySpec {
  /** Names, each once; may begin with `*.`. */
  readonly hosts: readonly string[]
  /** Checked literals and networks. */
  readonly addresses: readonly string[]
  readonly ports: readonly EntryPort[]
  readonly location: 'MESH_EXTERNAL' | 'MESH_INTERNAL'
  /** How endpoints are found. NONE: traffic goes where the client sent it. */
  readonly resolution: EntryResolution
  readonly endpoints: readonly EntryEndpoint[]
  /** Pods and WorkloadEntries of its namespace with all these labels are its endpoints; undefined = none are. */
  readonly workloadSelector: { readonly labels: Readonly<Record<string, string>> } | undefined
  readonly exportTo: readonly string[]
  readonly subjectAltNames: readonly string[]
}

export type EntryResolution = 'NONE' | 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'DYNAMIC_DNS'

export interface EntryPort {
  readonly name: string
  readonly number: number
  /** In upper case; empty when not given. */
  readonly protocol: string
  /** Undefined = whatever the endpoint says, else `number`. */
  readonly targetPort: number | undefined
}

export interface HostAddress {
  readonly host: string
  readonly value: string
}

/** Where something runs that is no pod. */
export interface EntryEndpoint {
  /** A literal, or a host name; empty only when `network` says how it is reached. */
  readonly address: string
  /** By the names that the service gives its ports. */
  readonly ports: ReadonlyMap<string, number>
  readonly labels: Readonly<Record<string, string>>
  /** Empty = that of the cluster. */
  readonly network: string
  /** `region/zone/subzone`, or the beginning of it. */
  readonly locality: string
  /** 0 = as any other. */
  readonly weight: number
  readonly serviceAccount: string
}

/** Istio: a workload that is no pod, such as a virtual machine. */
export interface WorkloadEntry extends KubeObject {
  readonly kind: 'WorkloadEntry'
  readonly spec: EntryEndpoint
}

/** The part of the mesh's settings that users keep in the ConfigMap `istio`, as one object. */
export interface MeshConfig extends KubeObject {
  readonly kind: 'MeshConfig'
  readonly spec: {
    /** Undefined = not said there. */
    readonly trustDomain: string | undefined
    readonly rootNamespace: string | undefined
    /** A namespace belongs to the mesh when one of them matches its labels; empty = every namespace does. */
    readonly discoverySelectors: readonly MetadataSelector[]
    /** Undefined = every ServiceEntry is seen everywhere. */
    readonly serviceEntryVisibility: VisibilityRules | undefined
    /** Further keys, of which nothing is read. */
    readonly unread: readonly string[]
  }
}

/** The first policy all of whose selectors match a namespace decides for the ServiceEntries in it. */
export interface VisibilityRules {
  readonly otherwise: EntryVisibility
  readonly policies: readonly {
    readonly visibility: EntryVisibility
    /** Undefined: a matcher that is not known here, which never matches. */
    readonly namespaces: readonly (MetadataSelector | undefined)[]
  }[]
}

/** Who sees a ServiceEntry: everybody, its own namespace, nobody. */
export type EntryVisibility = 'PUBLIC' | 'NAMESPACE' | 'NONE'
