import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { KubeClient } from '#shared/kube-client'
import type { Closer } from '#shared/lifecycle'
import type { Logger, Metrics } from '#shared/telemetry'
import {
  AuthorityKeeper,
  FolderStore,
  keepTrustFiles,
  pluggedInFolder,
  pluggedInSecret,
  registerAuthorityMetrics,
  SecretStore,
  warnOfExpiry,
} from './authority/index.ts'
import type { IstiodConfig } from './config.ts'

export interface KeepAuthorityParts {
  /** Undefined: a control plane that has no cluster. */
  readonly client: KubeClient | undefined
  readonly isLeader: () => boolean
  readonly clock: Clock
  readonly metrics: Metrics
  readonly logger: Logger
}

/**
 * The CA, kept in the cluster's Secret, or in the folder of a control plane that has no cluster; with its metrics, files
 * and warnings. It is still to be started.
 *
 * @throws MeshError `CONFIG_INVALID` when it has no place
 */
export function keepAuthority(
  { stateDir, rootNamespace, cacertsDir, ...config }: IstiodConfig,
  { client, isLeader, clock, metrics, logger }: KeepAuthorityParts,
): { readonly authority: AuthorityKeeper; readonly closers: readonly Closer[] } {
  const folder = pluggedInFolder(cacertsDir)
  if (client === undefined && stateDir === undefined) throw new MeshError('CONFIG_INVALID', 'the CA has no place')
  const authority = new AuthorityKeeper(
    {
      trustDomain: config.trustDomain,
      rootLifeMs: config.rootLifeMs,
      usualLifeMs: config.defaultCertLifeMs,
      refreshMs: config.caRefreshMs,
      propagationMs: config.caPropagationMs,
    },
    {
      store: client === undefined ? new FolderStore(stateDir ?? '') : new SecretStore(client, rootNamespace),
      pluggedIn: client === undefined ? [folder] : [folder, pluggedInSecret(client, rootNamespace)],
      isLeader,
      clock,
      logger,
    },
  )
  registerAuthorityMetrics(metrics, authority, clock)
  const endFiles = stateDir === undefined ? () => {} : keepTrustFiles(stateDir, authority, logger)
  return { authority, closers: [authority, warnOfExpiry(authority, clock, logger), { close: async () => endFiles() }] }
}
