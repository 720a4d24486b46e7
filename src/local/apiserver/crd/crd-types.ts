import type { ApiObject } from '../../store/index.ts'
import type { Column, ScalePaths } from '../definition-types.ts'
import type { Schema } from '../schema/types.ts'

export const CRD_GROUP = 'apiextensions.k8s.io'
/** Holds a deleted CRD back until its objects are gone. */
export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io'

export interface PrinterColumn {
  readonly name: string
  readonly type: Column['type']
  readonly format?: string
  readonly description?: string
  readonly priority?: number
  readonly jsonPath: string
}

export interface CrdNames {
  readonly plural: string
  readonly singular?: string
  readonly shortNames?: readonly string[]
  readonly kind: string
  readonly listKind?: string
  readonly categories?: readonly string[]
}

export interface CrdVersion {
  readonly name: string
  readonly served: boolean
  readonly storage: boolean
  readonly deprecated?: boolean
  readonly deprecationWarning?: string
  readonly schema?: { readonly openAPIV3Schema?: Schema }
  readonly subresources?: { readonly status?: object; readonly scale?: ScalePaths }
  readonly additionalPrinterColumns?: readonly PrinterColumn[]
  readonly selectableFields?: readonly { readonly jsonPath: string }[]
}

export interface CrdSpec {
  readonly group: string
  readonly names: CrdNames
  readonly scope: 'Namespaced' | 'Cluster'
  readonly versions: readonly CrdVersion[]
  readonly conversion?: { readonly strategy: string }
  readonly preserveUnknownFields?: boolean
}

export interface CrdCondition {
  readonly type: string
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
  readonly lastTransitionTime: string
}

export interface CrdStatus {
  readonly acceptedNames: CrdNames
  readonly conditions: readonly CrdCondition[]
  readonly storedVersions: readonly string[]
}

/** A CustomResourceDefinition (apiextensions.k8s.io/v1) that its schema has found well-formed. */
export interface Crd extends ApiObject {
  readonly spec: CrdSpec
  readonly status?: CrdStatus
}
