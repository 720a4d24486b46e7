import { afterAll, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { CertificateManager, fetchFrom } from '#shared/identity'
import type { SpiffeId } from '#shared/model'
import type { WorkloadCertificate } from '#shared/pki'
import { CaClient, certificateHandler, type RpcServer, startRpcServer } from '#shared/xds'
import { endpointTo, RecordedLog } from '../../../support/ads-peer.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'

const ca = new MemoryCa({ intermediates: 1 })
const id = ca.id('shop', 'web')
const log = new RecordedLog()
const TTL_MS = 3_000

async function serve(port: number): Promise<RpcServer> {
  return startRpcServer({
    listen: { host: '127.0.0.1', port },
    keyPair: ca.server(),
    clock: systemClock,
    handlers: [
      certificateHandler(
        async (call) => ca.certify(call.csrPem, call.impersonatedIdentity as SpiffeId, { ttlMs: TTL_MS }),
        log,
      ),
    ],
  })
}

describe('certificates with a life of three seconds', async () => {
  const first = await serve(0)
  const client = new CaClient(endpointTo(first.port, ca), systemClock)
  const manager = new CertificateManager({ fetch: fetchFrom(client, 60, systemClock), clock: systemClock, log })
  let server = first

  afterAll(async () => {
    await manager.close()
    await client.close()
    await server.close()
  })

  const nextRenewal = (): Promise<WorkloadCertificate> =>
    new Promise((resolve) => {
      const stop = manager.onRenewed((certificate) => {
        stop()
        resolve(certificate)
      })
    })

  it('are renewed over the wire before they end, each with another key', async () => {
    manager.warmUp(id)
    const seen = [await manager.certificate(id), await nextRenewal(), await nextRenewal()]
    expect(new Set(seen.map((one) => one.leaf.serialNumber)).size).toBe(3)
    for (const [i, one] of seen.slice(1).entries()) {
      expect(one.leaf.notBeforeMs).toBeLessThan(seen[i]?.leaf.notAfterMs ?? 0)
      expect(await manager.certificate(id)).toBe(seen[2])
    }
  })

  it('are used while the CA is away, and renewed when it is back', async () => {
    const before = await nextRenewal()
    await server.close()
    expect(await manager.certificate(id)).toBe(before)
    server = await serve(server.port)
    const after = await nextRenewal()
    expect(after.leaf.notAfterMs).toBeGreaterThan(before.leaf.notAfterMs)
  })
})
