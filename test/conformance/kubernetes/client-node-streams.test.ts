import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { CoreV1Api, Exec, KubeConfig, Log, PortForward, type V1Status } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { LocalPods } from '../../support/local-pods.ts'

/** Text of a stream so far. */
function collected(): { readonly stream: PassThrough; readonly text: () => string } {
  const stream = new PassThrough()
  let text = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return { stream, text: () => text }
}

describe('streams of @kubernetes/client-node', () => {
  let api: TestApi
  let pods: LocalPods
  let config: KubeConfig
  let server: Server

  beforeAll(async () => {
    pods = new LocalPods()
    api = await startTestApi({ backend: pods })
    config = new KubeConfig()
    config.loadFromFile(api.kubeconfig)
    const core = config.makeApiClient(CoreV1Api)
    await core.createNamespace({ body: { metadata: { name: 'shop' } } })
    const spec = { nodeName: 'node-a', containers: [{ name: 'app', image: 'ambit/echo' }] }
    await core.createNamespacedPod({ namespace: 'shop', body: { metadata: { name: 'web' }, spec } })
    const body = { metadata: { name: 'web' }, spec, status: { phase: 'Running' } }
    await core.replaceNamespacedPodStatus({ namespace: 'shop', name: 'web', body })
    server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })

  afterAll(async () => {
    server.close()
    await api.close()
  })

  async function run(command: string[], input?: string): Promise<{ status: V1Status; out: string; err: string }> {
    const out = collected()
    const err = collected()
    const stdin = input === undefined ? null : Readable.from([Buffer.from(input)])
    const status = await new Promise<V1Status>((resolve, reject) => {
      new Exec(config).exec('shop', 'web', 'app', command, out.stream, err.stream, stdin, false, resolve).catch(reject)
    })
    return { status, out: out.text(), err: err.text() }
  }

  it('runs commands: outputs apart, exit codes in the status', async () => {
    expect(await run(['sh', '-c', 'echo out; echo err >&2; exit 7'])).toMatchObject({
      status: { status: 'Failure', details: { causes: [{ reason: 'ExitCode', message: '7' }] } },
      out: 'out\n',
      err: 'err\n',
    })
    expect((await run(['true'])).status.status).toBe('Success')
  })

  it('gives a command its input', async () => {
    expect(await run(['head', '-c', '5'], 'hello world')).toMatchObject({ status: { status: 'Success' }, out: 'hello' })
  })

  it('follows logs', async () => {
    pods.write('first')
    const { stream, text } = collected()
    await new Log(config).log('shop', 'web', 'app', stream, { follow: true })
    await vi.waitFor(() => expect(text()).toBe('first\n'))
    pods.write('second')
    await vi.waitFor(() => expect(text()).toBe('first\nsecond\n'))
    // As when the container ends. (Aborting would end the process: the library leaves the error of its stream unheard.)
    pods.endLogs()
    await once(stream, 'end')
  })

  it('forwards a port', async () => {
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const { stream, text } = collected()
    const input = new PassThrough()
    const socket = await new PortForward(config).portForward('shop', 'web', [port], stream, null, input)
    input.write('there and back')
    await vi.waitFor(() => expect(text()).toBe('there and back'))
    const open = typeof socket === 'function' ? socket() : socket
    open?.close()
  })
})
