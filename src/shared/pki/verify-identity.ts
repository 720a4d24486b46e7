import { duplexPair } from 'node:stream'
import { connect, TLSSocket } from 'node:tls'
import { reasonOf } from '#shared/errors'
import type { WorkloadCertificate } from './types.ts'

/**
 * Whether two ends that both have this identity accept each other: a hand-shake in memory, so that it is OpenSSL, with
 * all its rules, that judges the chain.
 *
 * @returns why not, or undefined
 */
export async function verifyIdentity({ secureContext }: WorkloadCertificate): Promise<string | undefined> {
  const [near, far] = duplexPair()
  const server = new TLSSocket(far, { isServer: true, secureContext, requestCert: true, rejectUnauthorized: true })
  const client = connect({ socket: near, secureContext, checkServerIdentity: () => undefined })
  try {
    // The server answers only after it has judged the client, which ends its own hand-shake before.
    await new Promise<void>((resolve, reject) => {
      for (const end of [server, client]) end.once('error', reject).once('close', () => reject(new Error('closed')))
      server.once('secure', () => (server.authorized ? server.end('.') : reject(server.authorizationError)))
      client.once('data', () => resolve())
    })
    return undefined
  } catch (error) {
    return reasonOf(error)
  } finally {
    for (const end of [client, server]) {
      end.on('error', () => {})
      end.destroy()
    }
  }
}
