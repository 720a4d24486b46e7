import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { KubeApiError, type KubeClient } from '#shared/kube-client'
import { ApiClient } from '../../../../src/shared/kube-client/client.ts'

const PODS = { apiVersion: 'v1', kind: 'Pod', resource: 'pods', namespaced: true }
const MAPS = { apiVersion: 'v1', kind: 'ConfigMap', resource: 'configmaps', namespaced: true }
const ROUTES = { apiVersion: 'g.io/v1', kind: 'Route', resource: 'routes', namespaced: true }
const REVIEWS = { apiVersion: 'g.io/v1', kind: 'Review', resource: 'reviews', namespaced: false }
const A = { namespace: 'shop', name: 'a' }
const TIMEOUT_MS = 200

describe('a client of the Kubernetes API', () => {
  let server: Server
  let client: KubeClient
  let seen: string[]
  let answer: (request: IncomingMessage, response: ServerResponse, body: string) => void

  beforeEach(async () => {
    seen = []
    answer = (_, response) => void response.end('{}')
    server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      })
      request.on('end', () => {
        seen.push([request.method, request.url, request.headers['content-type'], body].filter(Boolean).join(' '))
        answer(request, response, body)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    open()
  })

  afterEach(async () => {
    await client.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  function open(path = ''): void {
    const { port } = server.address() as AddressInfo
    const login = {
      server: new URL(`http://127.0.0.1:${port}${path}`),
      isProxied: false,
      options: async () => ({ headers: { Authorization: 'Bearer t\n' } }),
    }
    client = new ApiClient(login, { clock: systemClock, timeoutMs: TIMEOUT_MS })
  }

  const status = (response: ServerResponse, code: number, body: string, headers: Record<string, string> = {}): void => {
    response.writeHead(code, headers)
    response.end(body)
  }

  it('asks at the paths of the API, with what kubectl would send', async () => {
    await client.get(PODS, A)
    await client.create(REVIEWS, '', { spec: {} })
    await client.mergePatch(PODS, A, { metadata: {} }, { subresource: 'status' })
    const document = { metadata: { name: 'b', namespace: 'shop' }, data: {} }
    await client.apply(MAPS, document, { fieldManager: 'me & you', force: true })
    await client.delete(ROUTES, A)
    await client.listPage(ROUTES, { fieldSelector: 'a=b' }, { limit: 5, continueToken: 'x=' }).catch(() => {})
    const merge = 'application/merge-patch+json'
    const apply = 'application/apply-patch+yaml'
    expect(seen).toEqual([
      'GET /api/v1/namespaces/shop/pods/a',
      'POST /apis/g.io/v1/reviews?fieldValidation=Strict application/json {"apiVersion":"g.io/v1","kind":"Review","spec":{}}',
      `PATCH /api/v1/namespaces/shop/pods/a/status?fieldValidation=Strict ${merge} {"metadata":{}}`,
      `PATCH /api/v1/namespaces/shop/configmaps/b?fieldManager=me+%26+you&force=true&fieldValidation=Strict ${apply} {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"shop"},"data":{}}`,
      'DELETE /apis/g.io/v1/namespaces/shop/routes/a',
      'GET /apis/g.io/v1/routes?fieldSelector=a%3Db&limit=5&continue=x%3D',
    ])
  })

  it('keeps the path that a server stands behind, and sends the token without a line end', async () => {
    open('/clusters/c1/')
    let token: string | undefined
    answer = ({ headers }, response) => {
      token = headers.authorization
      response.end('{}')
    }
    await client.get(PODS, A)
    expect([seen, token]).toEqual([['GET /clusters/c1/api/v1/namespaces/shop/pods/a'], 'Bearer t'])
  })

  it('reads all pages of a list', async () => {
    answer = ({ url }, response) => {
      const isLast = url?.includes('continue=p2') ?? false
      const items = [{ n: isLast ? 2 : 1 }]
      response.end(JSON.stringify({ items, metadata: { resourceVersion: '7', ...(isLast ? {} : { continue: 'p2' }) } }))
    }
    expect(await client.list(PODS)).toEqual([{ n: 1 }, { n: 2 }])
  })

  it('gives what is not there as such', async () => {
    answer = (_, response) => status(response, 404, '{"kind":"Status","reason":"NotFound"}')
    expect([await client.get(PODS, A), await client.delete(PODS, A)]).toEqual([undefined, false])
  })

  it.each<[string, string, Record<string, string>, object]>([
    [
      'a Status',
      '{"kind":"Status","reason":"Conflict","message":"it has changed","details":{"retryAfterSeconds":2}}',
      {},
      {
        status: 409,
        reason: 'Conflict',
        retryAfterMs: 2000,
        message: /pods\/a was answered with 409: it has changed$/,
      },
    ],
    ['text', 'no such host', {}, { reason: '', retryAfterMs: 0, message: /with 409: no such host$/ }],
    ['nothing', '', { 'retry-after': '1' }, { retryAfterMs: 1000, message: /with 409$/ }],
    ['a very long wait', '', { 'retry-after': '99999' }, { retryAfterMs: 60_000 }],
    ['a very long text', 'x'.repeat(100_000), {}, { message: /with 409/ }],
  ])(
    'says what a server said that answered with %s',
    async (_, body, headers, { message, ...wanted }: { message?: RegExp }) => {
      answer = (__, response) => status(response, 409, body, headers)
      const error = await client.get(PODS, A).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(KubeApiError)
      expect(error).toMatchObject({ code: 'KUBE_API_REFUSED', ...wanted })
      expect((error as Error).message).toMatch(message ?? /./)
      expect((error as Error).message.length).toBeLessThan(700)
    },
  )

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['answers nothing', () => {}, /no answer within 200 ms/],
    ['answers half', (response) => void response.write('{"a":'), /no answer within 200 ms/],
    ['breaks off', (response) => void response.destroy(), /socket hang up|ECONNRESET/],
    ['answers with a page', (response) => void response.end('<html>'), /no JSON: "<html>"/],
    ['answers with a list of things', (response) => void response.end('[]'), /no object/],
  ])('ends in time with a server that %s', async (_, misbehave, message) => {
    answer = (__, response) => misbehave(response)
    const end = client.get(PODS, A)
    await expect(end).rejects.toThrow(message)
    await expect(end).rejects.toMatchObject({ code: 'KUBE_API_UNREACHABLE' })
  })

  it('asks once more on a new connection when the server has just closed the kept one, but creates only once', async () => {
    await client.get(PODS, A)
    const closing = (request: IncomingMessage, response: ServerResponse): void => {
      answer = (_, next) => void next.end('{}')
      response.destroy()
      request.destroy()
    }
    answer = closing
    expect(await client.get(PODS, A)).toEqual({})
    answer = closing
    await expect(client.create(REVIEWS, '', {})).rejects.toMatchObject({ code: 'KUBE_API_UNREACHABLE' })
  })

  it('asks a few at once and lets more wait', async () => {
    let running = 0
    let most = 0
    answer = (_, response) => {
      most = Math.max(most, ++running)
      setImmediate(() => {
        running--
        response.end('{}')
      })
    }
    await Promise.all(Array.from({ length: 50 }, () => client.get(PODS, A)))
    expect(most).toBeLessThanOrEqual(8)
  })

  it('answers nothing any more once it is closed', async () => {
    answer = () => {}
    const asked = client.get(PODS, A)
    await client.close()
    await expect(asked).rejects.toThrow(/the client is closed/)
    await expect(client.get(PODS, A)).rejects.toThrow(/the client is closed/)
  })
})
