import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { type ErrorCode, MeshError } from '#shared/errors'
import { createCsr, parseIdentity } from '#shared/pki'
import {
  CaClient,
  type CertificateCall,
  certificateHandler,
  type IssueCertificate,
  type RpcServer,
  type ServerKeyPair,
  startRpcServer,
} from '#shared/xds'
import { endpointTo, RecordedLog } from '../../../support/ads-peer.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'

const ca = new MemoryCa({ intermediates: 1 })
const id = ca.id('shop', 'web')
const log = new RecordedLog()
const open: { close(): Promise<void> }[] = []
const folder = mkdtempSync(join(tmpdir(), 'ambit-ca-'))

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
  log.lines.length = 0
})
afterAll(() => rmSync(folder, { recursive: true }))

async function serve(issue: IssueCertificate, keyPair: ServerKeyPair = ca.server(), port = 0): Promise<RpcServer> {
  const server = await startRpcServer({
    listen: { host: '127.0.0.1', port },
    keyPair,
    handlers: [certificateHandler(issue, log)],
    clock: systemClock,
  })
  open.push(server)
  return server
}

function client(server: RpcServer, over: Parameters<typeof endpointTo>[2] = {}): CaClient {
  const made = new CaClient(endpointTo(server.port, ca, over), systemClock)
  open.push(made)
  return made
}

const sign: IssueCertificate = async (call) => ca.certify(call.csrPem, id)
const request = { csrPem: createCsr(id).csrPem, impersonatedId: id, validitySeconds: 86_400 }
const unavailable = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'CERTIFICATE_UNAVAILABLE', message: expect.stringMatching(message) })

describe('CreateCertificate', () => {
  it('carries the request, who is meant and who calls, and brings a chain that makes an identity', async () => {
    const calls: CertificateCall[] = []
    const server = await serve(async (call) => {
      calls.push(call)
      return sign(call)
    })
    const { privateKeyPem, csrPem } = createCsr(id)
    const chain = await client(server, { token: { kind: 'literal', token: 'jwt' }, clusterId: 'c1' }).createCertificate(
      { csrPem, impersonatedId: id, validitySeconds: 3600 },
      5_000,
    )
    expect(chain).toHaveLength(3)
    expect(parseIdentity(id, privateKeyPem, chain, Date.now()).id).toBe(id)
    expect(calls[0]).toMatchObject({
      csrPem,
      validitySeconds: 3600,
      impersonatedIdentity: id,
      caller: { token: 'jwt', clusterId: 'c1', peerAddress: expect.stringMatching(/^127\.0\.0\.1:\d+$/) },
    })
  })

  it('leaves the identity out when it is asked for the caller itself', async () => {
    const calls: CertificateCall[] = []
    const server = await serve(async (call) => {
      calls.push(call)
      return sign(call)
    })
    await client(server).createCertificate({ ...request, impersonatedId: undefined }, 5_000)
    expect(calls[0]?.impersonatedIdentity).toBeUndefined()
  })

  it.each<[ErrorCode, string, RegExp]>([
    ['CERTIFICATE_REFUSED', 'account runs elsewhere', /status 16: "request authenticate failure"/],
    ['CSR_INVALID', 'weak key', /status 3: "weak key"/],
    ['CERTIFICATE_INVALID', 'the signing key is gone', /status 13: "certificate signing failed"/],
  ])('tells %s to the caller as much as it may know, and all of it to the log', async (code, reason, message) => {
    const server = await serve(async () => {
      throw new MeshError(code, reason)
    })
    await expect(client(server).createCertificate(request, 5_000)).rejects.toThrowError(unavailable(message))
    expect(log.text).toContain(reason)
  })

  it('ends in time when the CA does not answer, and the CA is told', async () => {
    const cancelled = Promise.withResolvers<void>()
    const server = await serve((call) => {
      call.signal.addEventListener('abort', () => cancelled.resolve())
      return new Promise(() => {})
    })
    await expect(client(server).createCertificate(request, 50)).rejects.toThrowError(
      unavailable(/no answer within 50 ms/),
    )
    await cancelled.promise
  })

  it('ends when its caller gives up', async () => {
    const giveUp = new AbortController()
    const server = await serve(() => {
      giveUp.abort()
      return new Promise(() => {})
    })
    await expect(client(server).createCertificate(request, 5_000, giveUp.signal)).rejects.toThrowError(
      unavailable(/status 1/),
    )
  })

  it('is refused to a server of another CA', async () => {
    const server = await serve(sign, new MemoryCa().server())
    await expect(client(server).createCertificate(request, 5_000)).rejects.toThrowError(unavailable(/status 14/))
  })

  it('connects again as soon as it is asked after its CA was away', async () => {
    const server = await serve(sign)
    const asking = client(server)
    await asking.createCertificate(request, 5_000)
    await server.close()
    await expect(asking.createCertificate(request, 5_000)).rejects.toThrowError(unavailable(/status 14/))
    await serve(sign, ca.server(), server.port)
    expect(await asking.createCertificate(request, 5_000)).toHaveLength(3)
  })

  it('follows its root file', async () => {
    const path = join(folder, 'root.pem')
    const next = new MemoryCa()
    writeFileSync(path, ca.rootPem)
    const server = await serve(sign)
    const asking = client(server, { roots: { kind: 'file', path } })
    await asking.createCertificate(request, 5_000)
    server.renew(next.server())
    writeFileSync(path, next.rootPem)
    expect(await asking.createCertificate(request, 5_000)).toHaveLength(3)
  })
})

describe('the server', () => {
  const serialSeen = (port: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: ca.rootPem, ALPNProtocols: ['h2'] }, () => {
        resolve(socket.getPeerCertificate(false).serialNumber)
        socket.destroy()
      })
      socket.on('error', reject)
    })

  it('changes its certificate without dropping anyone', async () => {
    const server = await serve(sign)
    const asking = client(server)
    await asking.createCertificate(request, 5_000)
    const before = await serialSeen(server.port)
    server.renew(ca.server())
    expect(await serialSeen(server.port)).not.toBe(before)
    expect(await asking.createCertificate(request, 5_000)).toHaveLength(3)
  })

  it('keeps its certificate when the new one cannot be used', async () => {
    const server = await serve(sign)
    const before = await serialSeen(server.port)
    expect(() => server.renew({ ...ca.server(), keyPem: ca.server().keyPem })).toThrowError(MeshError)
    expect(await serialSeen(server.port)).toBe(before)
  })

  it('tells that it cannot listen, or has no usable key', async () => {
    const server = await serve(sign)
    await expect(serve(sign, ca.server(), server.port)).rejects.toThrowError(/cannot listen: .*EADDRINUSE/)
    await expect(serve(sign, { keyPem: '', certPem: '' })).rejects.toThrowError(/cannot be used/)
  })

  it('lets calls finish when it drains, and refuses new connections', async () => {
    const begun = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    const server = await serve(async (call) => {
      begun.resolve()
      await answer.promise
      return sign(call)
    })
    const waiting = client(server).createCertificate(request, 5_000)
    await begun.promise
    const drained = server.drain(5_000)
    await expect(serialSeen(server.port)).rejects.toThrowError(/ECONNREFUSED/)
    answer.resolve()
    expect(await waiting).toHaveLength(3)
    await drained
  })
})
