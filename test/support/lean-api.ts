import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { TestApi } from './kube-api.ts'

/** What an API server does not do, or does otherwise than ours. */
export interface Leanness {
  /** Answers in place of the API server; undefined passes the request on. */
  readonly refuse?: (url: URL, call: IncomingMessage) => { readonly code: number; readonly reason: string } | undefined
  /** Parameters that are as if they had not been sent. */
  readonly ignored?: readonly string[]
  /** Ends each watch after so long. */
  readonly watchMs?: number
}

/** A plain proxy before an API server, as an administrator. */
export interface LeanApi {
  readonly kubeconfig: string
  close(): Promise<void>
}

export async function leanApi(api: TestApi, leanness: Leanness): Promise<LeanApi> {
  const { certificatePem, privateKeyPem } = api.server.issueClient('admin', 'system:masters')
  const agent = new Agent({ keepAlive: true, ca: api.server.caPem, cert: certificatePem, key: privateKeyPem })
  const server = createServer((call, answer) => pass(call, answer, { api, agent, leanness }))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const kubeconfig = join(api.dir, 'lean-kubeconfig')
  writeFileSync(
    kubeconfig,
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'u', user: { token: 'not-looked-at' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  )
  return {
    kubeconfig,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      agent.destroy()
    },
  }
}

function pass(
  call: IncomingMessage,
  answer: ServerResponse,
  { api, agent, leanness }: { readonly api: TestApi; readonly agent: Agent; readonly leanness: Leanness },
): void {
  const url = new URL(call.url ?? '/', api.server.url)
  const refused = leanness.refuse?.(url, call)
  if (refused !== undefined) {
    call.resume()
    const { code, reason } = refused
    answer.writeHead(code, { 'content-type': 'application/json' })
    answer.end(JSON.stringify({ apiVersion: 'v1', kind: 'Status', status: 'Failure', code, reason, message: reason }))
    return
  }
  for (const name of leanness.ignored ?? []) url.searchParams.delete(name)
  const { authorization: _, host: __, ...headers } = call.headers
  const onward = request(url, { method: call.method ?? 'GET', headers, agent }, (from) => {
    answer.writeHead(from.statusCode ?? 502, from.headers)
    from.pipe(answer)
    const isCut = leanness.watchMs !== undefined && url.searchParams.get('watch') !== null
    const timer = isCut ? setTimeout(() => answer.destroy(), leanness.watchMs) : undefined
    from.on('close', () => clearTimeout(timer))
  })
  onward.on('error', () => answer.destroy())
  answer.on('close', () => onward.destroy())
  call.pipe(onward)
}
