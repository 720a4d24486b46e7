import type { ApiObject } from '../types.ts'

/** Where a webhook is: a URL, or a service of the cluster. */
export type ClientConfig =
  | { readonly caBundle?: string; readonly url: string; readonly service?: undefined }
  | { readonly caBundle?: string; readonly url?: undefined; readonly service: ServiceReference }

export interface ServiceReference {
  readonly namespace: string
  readonly name: string
  readonly path?: string
  readonly port?: number
}

export interface WebhookRule {
  readonly operations: readonly string[]
  readonly apiGroups: readonly string[]
  readonly apiVersions: readonly string[]
  readonly resources: readonly string[]
  readonly scope?: 'Cluster' | 'Namespaced' | '*'
}

/** One webhook of a configuration, as it is once defaults are in; the API has checked it. */
export interface Webhook {
  readonly name: string
  readonly clientConfig: ClientConfig
  readonly rules?: readonly WebhookRule[]
  readonly failurePolicy: 'Fail' | 'Ignore'
  readonly matchPolicy: 'Exact' | 'Equivalent'
  readonly namespaceSelector?: unknown
  readonly objectSelector?: unknown
  readonly sideEffects: 'None' | 'NoneOnDryRun'
  readonly timeoutSeconds: number
}

export interface WebhookConfiguration extends ApiObject {
  readonly webhooks?: readonly Webhook[]
}

/** Where to connect to, and as whom the other side must show itself. */
export interface WebhookAddress {
  readonly host: string
  readonly port: number
  readonly serverName: string
  /** With its query. */
  readonly path: string
}
