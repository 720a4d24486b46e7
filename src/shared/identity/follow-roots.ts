import type { Clock } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import type { Log } from '#shared/telemetry'
import type { ControlPlaneEndpoint } from '#shared/xds'
import type { CertificateManager } from './certificate-manager.ts'
import { RootWatch } from './root-watch.ts'

/**
 * Asks for every certificate anew when the file of the CA's roots changes, since the roots that peers are verified against
 * come with the certificates. Roots that are given as text, or are the system's, do not change.
 */
export function followRoots(
  { roots }: Pick<ControlPlaneEndpoint, 'roots'>,
  certificates: Pick<CertificateManager, 'renewAll'>,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Closer {
  if (roots.kind !== 'file') return { close: async () => {} }
  const logger = log.logger('identity')
  return new RootWatch({
    path: roots.path,
    clock,
    log: logger,
    onChanged: () => {
      logger.info('the roots have changed: every certificate is fetched anew', { path: roots.path })
      certificates.renewAll()
    },
  })
}
