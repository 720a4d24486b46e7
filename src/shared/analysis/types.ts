import type { Path } from '#shared/document'
import type { CheckCode } from './check-table.ts'

/** Any JSON object. */
export type Json = Readonly<Record<string, unknown>>

export const SEVERITIES = ['Error', 'Warning', 'Info'] as const
export type Severity = (typeof SEVERITIES)[number]

/** An object as it was written; nothing of it is taken for granted. */
export interface AnalysedObject {
  /** `Service`, or with its group: `VirtualService.networking.istio.io`. */
  readonly kind: string
  readonly name: string
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string
  readonly document: Json
}

/** What a check has found. */
export interface Finding {
  readonly code: CheckCode
  readonly object: AnalysedObject
  /** The field that it is about; empty: the whole object. */
  readonly path: Path
  /** A sentence about this very object. */
  readonly reason: string
}
