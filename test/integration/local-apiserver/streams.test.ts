import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasKubectl, kubectl, startTestApi, type TestApi } from '../../support/kube-api.ts'
import { LocalPods } from '../../support/local-pods.ts'

/** kubectl speaks WebSocket by default; told not to, it is as the ones before 1.30: SPDY. */
const PROTOCOLS = [
  { protocol: 'WebSocket', env: {} },
  { protocol: 'SPDY', env: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' } },
] as const

describe.skipIf(!hasKubectl())('streams with kubectl', () => {
  let api: TestApi
  let pods: LocalPods

  beforeAll(async () => {
    pods = new LocalPods()
    api = await startTestApi({ backend: pods })
    await runningPod(api, ['web'])
    await runningPod(api, ['one', 'two'])
  })
  afterAll(() => api?.close())

  const run = (
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    input = '',
  ): ReturnType<typeof kubectl> => kubectl(api, args, input, env)

  describe.each(PROTOCOLS)('over $protocol', ({ env }) => {
    it('runs a command and keeps its outputs apart', async () => {
      const result = await run(['exec', 'web', '--', 'sh', '-c', 'echo out; echo err >&2'], env)
      expect(result).toEqual({ code: 0, stdout: 'out\n', stderr: 'err\n' })
    })

    it.each([1, 7, 127])('gives back exit code %i', async (code) => {
      const result = await run(['exec', 'web', '--', 'sh', '-c', `exit ${code}`], env)
      expect(result.code).toBe(code)
      expect(result.stderr).toContain(`command terminated with exit code ${code}`)
    })

    it('tells that a command cannot be run', async () => {
      const result = await run(['exec', 'web', '--', '/no/such/command'], env)
      expect(result.code).not.toBe(0)
      expect(result.stderr).toContain('cannot run /no/such/command')
    })

    it('hands input through to its end, however long it is', async () => {
      const input = 'a line of text\n'.repeat(200_000)
      const result = await run(['exec', '-i', 'web', '--', 'wc', '-c'], env, input)
      expect(result.stderr).toBe('')
      expect(Number(result.stdout)).toBe(input.length)
    })

    it('hands a long output through whole', async () => {
      const result = await run(['exec', 'web', '--', 'head', '-c', '8000000', '/dev/zero'], env)
      expect(result.stdout.length).toBe(8_000_000)
    })

    it('does not wait for a command that reads none of its input', async () => {
      const result = await run(['exec', '-i', 'web', '--', 'true'], env, 'x'.repeat(3_000_000))
      expect(result.code).toBe(0)
    })

    it('copies files in and out', async () => {
      const dir = mkdtempSync(join(tmpdir(), 'ambit-cp-'))
      try {
        const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) & 0xff))
        writeFileSync(join(dir, 'source'), content)
        mkdirSync(join(dir, 'pod'))
        const into = await run(['cp', join(dir, 'source'), `web:${join(dir, 'pod', 'copy')}`], env)
        expect(into).toMatchObject({ code: 0, stderr: '' })
        const out = await run(['cp', `web:${join(dir, 'pod', 'copy')}`, join(dir, 'back')], env)
        expect(out.code).toBe(0)
        expect(readFileSync(join(dir, 'back')).equals(content)).toBe(true)
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    })

    it('ends the command when kubectl goes', async () => {
      const before = pods.killed
      const child = start(api, ['exec', 'web', '--', 'sh', '-c', 'echo started; sleep 60'], env)
      await once(child.stdout, 'data')
      child.kill('SIGKILL')
      await expect.poll(() => pods.killed, { timeout: 10_000 }).toBe(before + 1)
    })

    describe('with a server in the pod', () => {
      let server: Server
      let port: number

      beforeAll(async () => {
        server = createServer((request, response) => void request.pipe(response)).listen(0, '127.0.0.1')
        await once(server, 'listening')
        port = (server.address() as AddressInfo).port
      })
      afterAll(() => new Promise((resolve) => server.close(resolve)))

      it('forwards many connections at once, each whole', async () => {
        const child = start(api, ['port-forward', 'web', `:${port}`], env)
        try {
          const local = await localPort(child)
          const bodies = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(50_000))
          const answers = await Promise.all(
            bodies.map(async (body) => (await fetch(`http://127.0.0.1:${local}/`, { method: 'POST', body })).text()),
          )
          expect(answers.every((answer, i) => answer === bodies[i])).toBe(true)
        } finally {
          child.kill()
        }
      })

      it('tells that nobody listens on a port of the pod', async () => {
        const child = start(api, ['port-forward', 'web', ':1'], env)
        let text = ''
        child.stderr.on('data', (chunk) => {
          text += chunk
        })
        try {
          const socket = connect(await localPort(child), '127.0.0.1')
          socket.on('error', () => {})
          await once(socket, 'close')
          await expect.poll(() => text).toContain('error forwarding port 1 to pod web')
        } finally {
          child.kill()
        }
      })
    })

    it('attaches to what runs', async () => {
      const result = await run(['attach', '-i', 'web'], env, 'to the process\n')
      expect(result.stdout).toContain('to the process')
    })
  })

  it('shows logs, the last lines, and times', async () => {
    for (const line of ['first', 'second', 'third']) pods.write(line, 0)
    expect((await run(['logs', 'web'])).stdout).toBe('first\nsecond\nthird\n')
    expect((await run(['logs', 'web', '--tail=1'])).stdout).toBe('third\n')
    expect((await run(['logs', 'web', '--tail=1', '--timestamps'])).stdout).toBe('1970-01-01T00:00:00.000Z third\n')
    await run(['logs', 'web', '--since=1h', '--previous', '--limit-bytes=10'])
    expect(pods.requests.at(-1)).toMatchObject({ container: 'web', previous: true, limitBytes: 10 })
    expect(pods.requests.at(-1)?.sinceMs).toBeGreaterThan(Date.now() - 3_700_000)
  })

  it('follows a log as it grows, and lets go when kubectl goes', async () => {
    const child = start(api, ['logs', '-f', 'web', '--tail=0'])
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
    })
    await expect.poll(() => pods.followers, { timeout: 5_000 }).toBe(1)
    pods.write('while you look')
    await expect.poll(() => text).toBe('while you look\n')
    child.kill()
    await expect.poll(() => pods.followers).toBe(0)
  })

  it.each([
    { args: ['logs', 'web', '-c', 'nothing'], says: 'container nothing is not valid for pod web' },
    { args: ['exec', 'web', '-c', 'nothing', '--', 'true'], says: 'container nothing is not valid for pod web' },
    { args: ['logs', 'nobody'], says: 'pods "nobody" not found' },
    { args: ['exec', 'nobody', '--', 'true'], says: 'pods "nobody" not found' },
  ])('refuses $args', async ({ args, says }) => {
    const result = await run(args)
    expect(result.code).not.toBe(0)
    expect(result.stderr).toContain(says)
  })
})

describe.skipIf(!hasKubectl())('a server that ends', () => {
  it('takes open streams with it', async () => {
    const pods = new LocalPods()
    const api = await startTestApi({ backend: pods })
    await runningPod(api, ['web'])
    const exec = start(api, ['exec', 'web', '--', 'sh', '-c', 'echo started; sleep 60'])
    const logs = start(api, ['logs', '-f', 'web'])
    await once(exec.stdout, 'data')
    await expect.poll(() => pods.followers).toBe(1)
    const ends = [once(exec, 'exit'), once(logs, 'exit')]
    await api.close()
    await Promise.all(ends)
    await expect.poll(() => [pods.killed, pods.followers]).toEqual([1, 0])
  })
})

async function runningPod({ server }: TestApi, names: readonly string[]): Promise<void> {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } }
  const ref = { group: '', resource: 'serviceaccounts', namespace: 'default', name: 'default' }
  if (server.access.get(ref) === undefined) await server.access.create(account)
  const made = await server.access.create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: names[0] ?? '', namespace: 'default' },
    spec: { nodeName: 'node-a', containers: names.map((name) => ({ name, image: 'ambit/echo' })) },
  })
  const status = { ...(made.status as object), phase: 'Running' }
  await server.access.update({ ...made, status }, { subresource: 'status' })
}

function start(
  api: TestApi,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ReturnType<typeof spawn> & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream } {
  const child = spawn('kubectl', args, {
    env: { PATH: process.env.PATH, HOME: api.dir, KUBECONFIG: api.kubeconfig, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return child
}

/** Where it listens; it stays readable, or kubectl would end by its next line. */
function localPort(child: ReturnType<typeof start>): Promise<number> {
  let text = ''
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('kubectl ended before it listened')))
    child.stdout.on('data', (chunk) => {
      text += chunk
      const port = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(text)?.[1]
      if (port !== undefined) resolve(Number(port))
    })
  })
}
