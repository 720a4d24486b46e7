import { connectH2, type H2Limits } from '#shared/http2'
import type { Cancellation } from '#shared/lifecycle'
import type { SpiffeId } from '#shared/model'
import type { PeerChain, WorkloadCertificate } from '#shared/pki'
import { type OpenedTunnel, openTunnel } from './open-tunnel.ts'
import { UNTIL_LAST_STREAM } from './pooled-connection.ts'
import type { StreamDuplex } from './stream-duplex.ts'
import { secureOver, type TlsClientSettings } from './tls-client.ts'
import type { OwnedTunnelEnd } from './tunnel-end.ts'
import type { InnerTunnel } from './types.ts'

export interface InnerSettings extends TlsClientSettings {
  readonly limits: Partial<H2Limits>
  readonly answerTimeoutMs: number
}

/** The inner tunnel; what it is carried by is the caller's knowledge. */
export interface OpenedInner extends OpenedTunnel {
  readonly peer: SpiffeId
  readonly chain: PeerChain | undefined
}

/** How long the last words of a broken-off inner tunnel may take through a gateway that does not read. */
const LINGER_MS = 1_000

/**
 * The second tunnel of double HBONE (hbone-and-ztunnel d.7): TLS with the real destination and one CONNECT, inside a
 * stream that a network gateway forwards as opaque bytes. It lives for that one CONNECT and takes the outer stream with
 * it; the gateway sees neither identities nor bytes.
 *
 * @param end a fresh one, which has the inner stream from then on
 * @throws MeshError as `TunnelPool.connect`, of the inner connection; the outer stream is gone then
 */
export async function openInner(
  outer: StreamDuplex,
  certificate: WorkloadCertificate,
  inner: InnerTunnel,
  end: OwnedTunnelEnd,
  settings: InnerSettings,
  cancellation: Cancellation | undefined,
): Promise<OpenedInner> {
  const { clock, limits, answerTimeoutMs } = settings
  if (cancellation !== undefined) cancellation.onCancelled = () => outer.destroy()
  try {
    const { socket, peer, chain } = await secureOver(outer, certificate, inner.acceptedPeers, settings)
    const connection = connectH2(socket, { limits, clock })
    connection.onClosed = () => outer.destroy()
    const opened = await openTunnel(connection, end, inner.request, clock, answerTimeoutMs, cancellation)
    end.onBrokenOff = () => {
      const timer = clock.setTimer(LINGER_MS, () => outer.destroy())
      outer.on('close', () => timer.cancel())
    }
    void connection.drain(UNTIL_LAST_STREAM)
    return { ...opened, peer, chain }
  } catch (error) {
    outer.destroy()
    throw error
  } finally {
    if (cancellation !== undefined) cancellation.onCancelled = undefined
  }
}
