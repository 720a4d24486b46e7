import type { RequestOptions } from 'node:https'

/** Where the server is, and what proves to it who we are. */
export interface KubeLogin {
  readonly server: URL
  /** A proxy's agent must be used as it is; without a proxy the agent is ours. */
  readonly isProxied: boolean
  /** Certificates, tokens and headers for one request; asked for anew each time, since they change while we run. */
  options(): Promise<RequestOptions>
}
