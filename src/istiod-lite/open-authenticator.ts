import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { KubeClient } from '#shared/kube-client'
import { JwksAuthenticator, type TokenAuthenticator, TokenReviewer } from './ca/index.ts'
import type { IstiodConfig } from './config.ts'

/**
 * Whose a token is: a key set that is given counts; without one the cluster is asked.
 *
 * @throws MeshError `CONFIG_INVALID` when the key set cannot be read, or there is nobody to ask
 */
export async function openAuthenticator(
  { tokenJwks: file, tokenAudience: audience, tokenIssuer: issuer }: IstiodConfig,
  client: KubeClient | undefined,
  clock: Clock,
): Promise<TokenAuthenticator> {
  if (file !== undefined) {
    const authenticator = new JwksAuthenticator({ file, audience, issuer, clock })
    await authenticator.check()
    return authenticator
  }
  if (client === undefined) throw new MeshError('CONFIG_INVALID', 'nobody says whose a token is')
  return new TokenReviewer({ client, audience, clock })
}
