import * as http2 from 'node:http2'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Istiod } from '../../../src/istiod-lite/app.ts'
import type { ClientConfigMessage, StateRequest, StateResponse } from '../../../src/shared/xds/messages.ts'
import { STATE_ADS_PATH } from '../../../src/shared/xds/rpc.ts'
import { statusSchema } from '../../../src/shared/xds/schema.ts'
import { IstiodPlace } from '../../support/istiod.ts'
import { podYaml, policyYaml } from '../../support/mesh-objects.ts'

const NODE = 'ztunnel~10.0.0.1~ztunnel-a.istio-system~node-a'

/** What istioctl asks over state-of-the-world xDS. */
describe('the status service', () => {
  let place: IstiodPlace
  let istiod: Istiod

  beforeEach(async () => {
    place = await IstiodPlace.make()
    place.write('all.yaml', podYaml('web-1', '10.0.1.1') + policyYaml('p'))
    istiod = await place.start({ POD_NAME: 'istiod-7', UNSAFE_ENABLE_ADMIN_ENDPOINTS: 'true' })
    await istiod.serving
  })
  afterEach(() => place.end())

  interface Answer {
    readonly status: number
    readonly response: StateResponse | undefined
  }

  /** One request, its first response or the status of the call. */
  async function ask(request: Partial<StateRequest> | Buffer, namespace = 'istio-system'): Promise<Answer> {
    const token = await place.issuer.token({ namespace, serviceAccount: 'default' })
    const session = http2.connect(`https://127.0.0.1:${istiod.ports.grpc}`, { ca: place.rootPem })
    const stream = session.request({
      ':method': 'POST',
      ':path': STATE_ADS_PATH,
      'content-type': 'application/grpc',
      authorization: `Bearer ${token}`,
    })
    const message = Buffer.isBuffer(request) ? request : statusSchema().request.encode(request)
    const head = Buffer.alloc(5)
    head.writeUInt32BE(message.length, 1)
    stream.write(Buffer.concat([head, message]))
    const statuses: number[] = []
    const note = (headers: http2.IncomingHttpHeaders): void => {
      if (headers['grpc-status'] !== undefined) statuses.push(Number(headers['grpc-status']))
    }
    stream.on('response', note)
    stream.on('trailers', note)
    const read = (async (): Promise<StateResponse | undefined> => {
      let held = Buffer.alloc(0)
      for await (const chunk of stream) {
        held = Buffer.concat([held, chunk])
        if (held.length >= 5 && held.length >= 5 + held.readUInt32BE(1))
          return statusSchema().response.decode(held.subarray(5))
      }
      return undefined
    })()
    const response = await read
    session.destroy()
    return { status: statuses[0] ?? 0, response }
  }

  it('tells what every client has of each type', async () => {
    const mirror = await place.connect(istiod, { refuses: (name) => name === 'shop/p' })
    await mirror.until(() => mirror.responses.length === 2)
    await expect
      .poll(async () => {
        const { response } = await ask({ typeUrl: 'istio.io/debug/syncz', responseNonce: 'a time of day' })
        return response?.resources.map(({ value }) => statusSchema().clientConfig.decode(value)) ?? []
      })
      .toEqual([
        expect.objectContaining({
          node: expect.objectContaining({ id: NODE }),
          genericXdsConfigs: [
            expect.objectContaining({ typeUrl: 'type.googleapis.com/istio.workload.Address', configStatus: 1 }),
            expect.objectContaining({
              configStatus: 4,
              errorState: expect.objectContaining({ details: 'shop/p: not wanted' }),
            }),
          ],
        }),
      ] satisfies unknown[] as readonly ClientConfigMessage[])
    const { response } = await ask({ typeUrl: 'istio.io/debug/syncz' })
    expect(JSON.parse(response?.controlPlane?.identifier ?? '')).toMatchObject({ Component: 'istiod', ID: 'istiod-7' })
  })

  it('gives a page of the debug port by its name, and only reads', async () => {
    const page = async (name: string): Promise<string | undefined> => {
      const { response } = await ask({ typeUrl: 'istio.io/debug', resourceNames: [name] })
      return response && Buffer.from(response.resources[0]?.value ?? '').toString()
    }
    expect(JSON.parse((await page('syncz')) ?? '')).toEqual([])
    expect(await page('config_dump?proxyID=nobody.there')).toContain('may be connected to another instance')
    expect(await page('force_disconnect?proxyID=x')).toContain('usage: POST')
    expect(await page('nothing')).toBeUndefined()
  })

  it('is for accounts of the root namespace, and refuses configuration', async () => {
    expect(await ask({ typeUrl: 'istio.io/debug/syncz' }, 'shop')).toMatchObject({ status: 7, response: undefined })
    const cds = 'type.googleapis.com/envoy.config.cluster.v3.Cluster'
    expect(await ask({ typeUrl: cds })).toMatchObject({ status: 12, response: undefined })
    expect(await ask({ typeUrl: 'istio.io/debug', resourceNames: ['syncz', 'adsz'] })).toMatchObject({ status: 12 })
    expect(await ask(Buffer.from([0x0a, 0xff, 0xff]))).toMatchObject({ status: 3, response: undefined })
  })
})
