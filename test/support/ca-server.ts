import { systemClock } from '#shared/clock'
import { parseSpiffeId } from '#shared/model'
import { certificateHandler, type RpcServer, startRpcServer } from '#shared/xds'
import { MemoryCa } from './memory-ca.ts'
import { quietLogger } from './quiet-logger.ts'

/** CreateCertificate on 127.0.0.1, which signs for everybody. */
export interface TestCaServer {
  readonly ca: MemoryCa
  readonly address: string
  readonly rootPem: string
  /** Identities in the order in which they were asked for. */
  readonly asked: string[]
  close(): Promise<void>
}

export async function startTestCa(
  settings: { readonly ttlMs?: number; readonly backdateMs?: number } = {},
): Promise<TestCaServer> {
  const ca = new MemoryCa()
  const asked: string[] = []
  const handler = certificateHandler(async ({ csrPem, impersonatedIdentity }) => {
    const id = parseSpiffeId(impersonatedIdentity ?? '')
    if (id === undefined) throw new Error('no identity was asked for')
    asked.push(id)
    return ca.certify(csrPem, id, settings)
  }, quietLogger)
  const server: RpcServer = await startRpcServer({
    listen: { host: '127.0.0.1', port: 0 },
    keyPair: ca.server(),
    handlers: [handler],
    clock: systemClock,
  })
  return {
    ca,
    asked,
    address: `https://127.0.0.1:${server.port}`,
    rootPem: ca.rootPem,
    close: () => server.close(),
  }
}
