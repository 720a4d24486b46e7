import { connectZds, type ZdsClientOptions } from '#shared/zds'
import type { ZtunnelParts } from './app.ts'
import type { ZtunnelConfig } from './config.ts'

/** The way to the node agent, which gives pods. */
export interface AgentLink {
  /** Connects no more, if it has not yet. */
  refuse(): void
  close(): Promise<void>
}

export interface AgentLinkOptions {
  /** When the mesh is known; fails when the tunnel ends before. */
  readonly synced: Promise<void>
  /** Done before the agent is connected to. */
  readonly onSynced: () => void
  readonly handler: ZdsClientOptions['handler']
}

/** No pod is taken before the mesh is known: its connections would fail. */
export function linkToAgent(config: ZtunnelConfig, parts: ZtunnelParts, options: AgentLinkOptions): AgentLink {
  const { clock, log, control } = parts
  let zds: ReturnType<typeof connectZds> | undefined
  let isRefusing = false
  options.synced.then(
    () => {
      options.onSynced()
      if (isRefusing) return
      zds = connectZds({
        path: config.inpodUds,
        handler: options.handler,
        clock,
        logger: log.logger('zds'),
        onProtocolError: (error) => control.stop({ reason: error.message, exitCode: 1 }),
      })
    },
    () => {}, // closed before it was in sync
  )
  return {
    refuse() {
      isRefusing = true
    },
    async close() {
      await zds?.close()
    },
  }
}
