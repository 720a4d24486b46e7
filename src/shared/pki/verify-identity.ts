import { duplexPair } from 'node:stream'
import { connect, TLSSocket } from 'node:tls'
import { reasonOf } from '#shared/errors'
import type { WorkloadCertificate } from './types.ts'

/**
 * Whether a client that has this identity's roots accepts a server that has its certificate: a hand-shake in memory, so
 * that it is OpenSSL, with all its rules, that judges the chain.
 *
 * @returns why not, or undefined
 */
export async function verifyIdentity({ secureContext }: WorkloadCertificate): Promise<string | undefined> {
  const [near, far] = duplexPair()
  const server = new TLSSocket(far, { isServer: true, secureContext })
  const client = connect({ socket: near, secureContext, checkServerIdentity: () => undefined })
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('secureConnect', resolve).once('close', () => reject(new Error('closed in the hand-shake')))
      for (const end of [client, server]) end.once('error', reject)
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
