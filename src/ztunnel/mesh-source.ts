import { readFileSync } from 'node:fs'
import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { addressFeed, authorizationFeed, type MeshState, OnDemand, parseLocalConfig } from '#shared/mesh-state'
import type { Log, Metrics } from '#shared/telemetry'
import {
  type AdsClient,
  addressType,
  adsClientMetrics,
  authorizationType,
  type Subscription,
  startAdsClient,
} from '#shared/xds'
import type { ZtunnelConfig } from './config.ts'
import { nodeIdentity, xdsEndpoint } from './control-plane.ts'

/** Where the mesh's description comes from, and who is asked for the rest of it. */
export interface MeshSource extends Closer {
  /** The first whole description has been applied; rejects when it is closed before. */
  readonly synced: Promise<void>
  /** On demand only. @throws MeshError `XDS_STREAM_LOST` */
  readonly askFor: ((names: readonly string[]) => Promise<void>) | undefined
}

/** What a description is applied to. */
export type MeshSink = Pick<MeshState, 'applyAddresses' | 'applyAuthorizations'>

/** The control plane of the settings, if there is one. */
export function openMeshSource(
  config: ZtunnelConfig,
  sink: MeshSink,
  parts: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
): MeshSource {
  const ads = startControlPlane(config, sink, parts)
  if (ads === undefined) return { synced: Promise.resolve(), askFor: undefined, close: async () => {} }
  const { synced } = ads
  const close = (): Promise<void> => ads.close()
  if (!config.xdsOnDemand) return { synced, askFor: undefined, close }
  const onDemand = new OnDemand({ client: ads, typeUrl: addressType.typeUrl, clock: parts.clock })
  return { synced, askFor: (names) => onDemand.ask(names), close }
}

function startControlPlane(
  config: ZtunnelConfig,
  sink: MeshSink,
  { clock, log, metrics }: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
): AdsClient | undefined {
  if (config.xdsAddress === undefined) return undefined
  return startAdsClient({
    endpoint: xdsEndpoint(config, config.xdsAddress),
    node: nodeIdentity(config),
    // Each applies what its own type decodes; the client pairs the two and needs to know neither.
    subscriptions: [
      addressFeed(sink, addressType, config.xdsOnDemand ? 'on-demand' : 'wildcard'),
      authorizationFeed(sink, authorizationType),
    ] as readonly Subscription<unknown>[] as readonly Subscription<never>[],
    clock,
    log: log.logger('xds'),
    observer: adsClientMetrics(metrics, clock),
  })
}

/** `LOCAL_XDS` or `LOCAL_XDS_PATH`. @throws MeshError `CONFIG_INVALID` */
export function readLocalConfig(config: ZtunnelConfig): ReturnType<typeof parseLocalConfig> | undefined {
  const { localXdsPath, localXds } = config
  if (localXdsPath !== undefined && localXds !== undefined) {
    throw new MeshError('CONFIG_INVALID', 'LOCAL_XDS_PATH and LOCAL_XDS exclude each other')
  }
  if (localXds !== undefined) return parseLocalConfig(localXds, 'LOCAL_XDS')
  if (localXdsPath === undefined) return undefined
  try {
    return parseLocalConfig(readFileSync(localXdsPath, 'utf8'), localXdsPath)
  } catch (cause) {
    if (cause instanceof MeshError) throw cause
    throw new MeshError('CONFIG_INVALID', `LOCAL_XDS_PATH cannot be read: ${(cause as Error).message}`, { cause })
  }
}
