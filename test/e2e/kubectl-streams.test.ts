import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { Attach, Exec, KubeConfig, Log, PortForward, type V1Status } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ambit, ended } from '../support/ambit.ts'
import { hasKubectl, type KubectlResult, kubectl } from '../support/kube-api.ts'
import { requirePrivileges } from '../support/privileges.ts'

const SERVER = `require("http").createServer((q,a)=>a.end("served " + q.url)).listen(8080, () => console.log("listening"))`

/** A namespace that takes nothing but the mesh's mTLS, and one beside the mesh. */
function objects(dir: string): string {
  const pod = (namespace: string, name: string, fields: object): string =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'app', image: 'x', ...fields }] },
    })
  const crash = `if [ -e ${dir}/crashed ]; then echo second; exec sleep infinity; fi; touch ${dir}/crashed; echo first; exit 1`
  return [
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: strict, labels: { istio.io/dataplane-mode: ambient } }',
    'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: all, namespace: strict }\nspec: { mtls: { mode: STRICT } }',
    pod('strict', 'web', { command: ['node', '-e', SERVER] }),
    pod('default', 'client', { command: ['sleep', 'infinity'] }),
    pod('default', 'talker', { command: ['tail', '-n', '+1', '-F', join(dir, 'lines')] }),
    pod('default', 'crashing', { command: ['sh', '-c', crash] }),
    pod('default', 'listener', {
      command: ['sh', '-c', 'while read line; do echo "got $line"; done'],
      stdin: true,
    }),
  ].join('\n---\n')
}

describe.runIf(requirePrivileges() && hasKubectl())('kubectl exec, attach, logs, port-forward and cp', () => {
  let dir = ''
  let kubeconfig = ''
  let ambit: Ambit
  const k = (args: readonly string[], input = ''): Promise<KubectlResult> => kubectl({ dir, kubeconfig }, args, input)
  const told = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await k(args)
    expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' })
    return stdout
  }
  const started = (file: string, args: readonly string[]): ChildProcess => {
    const env = { PATH: process.env.PATH, HOME: dir, KUBECONFIG: kubeconfig }
    return spawn(file, args, { env, cwd: dir, stdio: 'pipe' })
  }
  /** kubectl with a terminal of its own, of 40 rows and 90 columns. */
  const inTerminal = (command: string): ChildProcess =>
    started('script', ['-qefc', `stty rows 40 cols 90; exec kubectl ${command}`, '/dev/null'])

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-streams-'))
    kubeconfig = join(dir, 'state', 'kubeconfig')
    writeFileSync(join(dir, 'lines'), 'one\ntwo\nthree\n')
    ambit = new Ambit({ stateDir: join(dir, 'state') })
    expect(await ambit.run(['up', '--detach', '--no-demo'])).toMatchObject({ code: 0, stderr: '' })
    expect(await k(['apply', '-f', '-'], objects(dir))).toMatchObject({ code: 0 })
    await told('wait', '--for=condition=Ready', 'pod', '--all', '-n', 'default', '--timeout=20s')
    await told('wait', '--for=condition=Ready', 'pod', '--all', '-n', 'strict', '--timeout=20s')
  })
  afterAll(async () => {
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  })

  describe('exec', () => {
    it.each<{ command: string[]; input?: string; ends: Partial<KubectlResult> }>([
      { command: ['sh', '-c', 'hostname; echo err >&2'], ends: { code: 0, stdout: 'web\n', stderr: 'err\n' } },
      { command: ['sh', '-c', 'wc -c; exit 3'], input: 'x'.repeat(500_000), ends: { code: 3, stdout: '500000\n' } },
      { command: ['sh', '-c', 'kill -9 $$'], ends: { code: 137, stderr: 'command terminated with exit code 137\n' } },
      {
        command: ['no-such'],
        ends: {
          code: 127,
          stderr: 'exec: "no-such": executable file not found in $PATH\ncommand terminated with exit code 127\n',
        },
      },
    ])('$command ends with $ends.code', async ({ command, input, ends }) => {
      expect(await k(['exec', '-i', '-n', 'strict', 'web', '--', ...command], input)).toMatchObject(ends)
    })

    it('has the rights of the container, and no more', async () => {
      const rights = 'CapEff:\t00000000000405fb\n'
      expect(await told('exec', '-n', 'strict', 'web', '--', 'grep', 'CapEff', '/proc/self/status')).toBe(rights)
    })

    it('-it has a terminal of the size of the user, and ends with the code of the command', async () => {
      const shell = await ended(inTerminal(`exec -it -n strict web -- sh -c 'tty; stty size; exit 5'`))
      expect(shell).toMatchObject({ code: 5, stdout: expect.stringMatching(/\/dev\/pts\/\d+\r\n40 90\r\n/) })
    })

    it('-it passes Ctrl-C to the command', async () => {
      const script = 'trap "echo caught; exit 7" INT; echo ready; while :; do sleep 0.05; done'
      const child = inTerminal(`exec -it -n strict web -- sh -c '${script}'`)
      const end = ended(child)
      await said(child, 'ready')
      child.stdin?.write('\u0003')
      expect(await end).toMatchObject({ code: 7, stdout: expect.stringContaining('caught') })
    })

    it('leaves nothing behind when kubectl is killed', async () => {
      const mark = `${process.pid}.25`
      const child = started('kubectl', [
        'exec',
        '-n',
        'strict',
        'web',
        '--',
        'sh',
        '-c',
        `sleep ${mark} & echo up; wait`,
      ])
      await said(child, 'up')
      child.kill('SIGKILL')
      await expect
        .poll(() => k(['exec', '-n', 'strict', 'web', '--', 'pgrep', '-f', `sleep ${mark}$`]))
        .toMatchObject({
          code: 1,
        })
    })

    it('into a pod of the mesh itself says why not', async () => {
      const { code, stderr } = await k(['exec', '-n', 'istio-system', 'ztunnel-node-a', '--', 'true'])
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('is a program of the mesh') })
    })
  })

  describe('logs', () => {
    it('shows lines with their times, the last ones, and those of the last while', async () => {
      await expect.poll(() => told('logs', 'talker')).toBe('one\ntwo\nthree\n')
      expect(await told('logs', 'talker', '--tail=1')).toBe('three\n')
      expect(await told('logs', 'talker', '--tail=1', '--timestamps')).toMatch(
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three\n$/,
      )
      expect(await told('logs', 'talker', '--limit-bytes=5')).toBe('one\nt')
      expect(await told('logs', 'talker', '--since-time=2100-01-01T00:00:00Z')).toBe('')
      expect(await told('logs', 'talker', '--since=1h')).toBe('one\ntwo\nthree\n')
    })

    it('-f shows what is written, until the container ends', async () => {
      const child = started('kubectl', ['logs', '-f', 'talker', '--tail=1'])
      const end = ended(child)
      await said(child, 'three')
      appendFileSync(join(dir, 'lines'), 'four\n')
      await said(child, 'four')
      await told('delete', 'pod', 'talker')
      expect(await end).toMatchObject({ code: 0, stdout: expect.stringMatching(/three\nfour\n$/) })
      const kept = (): string => readdirSync(join(dir, 'state', 'logs', 'pods')).join(' ')
      await expect.poll(kept).not.toContain('talker')
    })

    it('--previous shows the run before', async () => {
      await expect.poll(() => told('logs', 'crashing')).toBe('second\n')
      expect(await told('logs', 'crashing', '--previous')).toBe('first\n')
      expect(await k(['logs', 'client', '--previous'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('previous terminated container "app" in pod "client" not found'),
      })
    })
  })

  it('port-forward reaches a pod that takes only mTLS, past the mesh', async () => {
    const ip = await told('get', 'pod', 'web', '-n', 'strict', '-o', 'jsonpath={.status.podIP}')
    const plain = `fetch("http://${ip}:8080/").then(()=>process.exit(0),()=>process.exit(9))`
    expect(await k(['exec', 'client', '--', 'node', '-e', plain])).toMatchObject({ code: 9 })
    const child = started('kubectl', ['port-forward', '-n', 'strict', 'pod/web', ':8080'])
    const [, port = ''] = /127\.0\.0\.1:(\d+)/.exec(await said(child, 'Forwarding from 127')) ?? []
    const answers = await Promise.all(
      [1, 2, 3].map((i) => fetch(`http://127.0.0.1:${port}/${i}`).then((answer) => answer.text())),
    )
    expect(answers).toEqual(['served /1', 'served /2', 'served /3'])
    child.kill()
    const closed = started('kubectl', ['port-forward', '-n', 'strict', 'pod/web', ':8081'])
    const [, other = ''] = /127\.0\.0\.1:(\d+)/.exec(await said(closed, 'Forwarding from 127')) ?? []
    const failing = ended(closed)
    connect(Number(other), '127.0.0.1').on('error', () => {})
    expect((await failing).stderr).toMatch(/failed to connect to localhost:8081 inside the pod: .*ECONNREFUSED/)
  })

  it('cp copies files and folders both ways', async () => {
    const bytes = randomBytes(300_000)
    mkdirSync(join(dir, 'out'))
    writeFileSync(join(dir, 'out', 'a'), bytes)
    writeFileSync(join(dir, 'out', 'b'), '')
    mkdirSync(join(dir, 'pod'))
    expect(await k(['cp', join(dir, 'out'), `strict/web:${dir}/pod/`])).toMatchObject({ code: 0 })
    expect(readFileSync(join(dir, 'pod', 'out', 'a')).equals(bytes)).toBe(true)
    expect(await k(['cp', `strict/web:${dir}/pod/out/a`, join(dir, 'back')])).toMatchObject({ code: 0 })
    expect(readFileSync(join(dir, 'back')).equals(bytes)).toBe(true)
  })

  it('attach leads to the input and the outputs of the container', async () => {
    const child = started('kubectl', ['attach', '-i', 'listener'])
    child.stdin?.write('something\n')
    await said(child, 'got something')
    child.stdin?.end()
    child.kill()
    expect(await told('logs', 'listener')).toBe('got something\n')
    expect(await k(['attach', '-i', 'client'])).toMatchObject({ code: 1 })
  })

  it('run -it --rm is a shell in a pod of its own', async () => {
    const child = inTerminal('run shell -it --rm --image=x --command -- sh')
    const end = ended(child)
    await expect
      .poll(() => told('get', 'pods', '-o', 'jsonpath={.items[*].metadata.name}'), { timeout: 5_000 })
      .toContain('shell')
    // Typed until the shell is attached to; what it prints before that nobody sees.
    const typing = setInterval(() => child.stdin?.write('stty size\r'), 200)
    await said(child, '40 90')
    clearInterval(typing)
    child.stdin?.write('exit\r')
    expect((await end).stdout).toContain('pod "shell" deleted')
  })

  it('run -i --rm feeds a command and shows what it says', async () => {
    const command = ['sh', '-c', 'cat; sleep 0.1']
    const { stdout } = await k(['run', 'copy', '-i', '--rm', '--image=x', '--command', '--', ...command], 'hello\n')
    expect(stdout).toContain('hello')
  })

  it('run --restart=Never ends with the exit code of the command, as -it does', async () => {
    const command = ['--rm', '--restart=Never', '--image=x', '--command', '--', 'sh', '-c']
    const piped = await k(['run', 'once', '-i', ...command, 'cat; exit 3'], 'hello\n')
    expect(piped).toMatchObject({ code: 3, stdout: expect.stringContaining('hello') })
    const typed = inTerminal(`run typed -it ${command.join(' ')} 'read x; stty size; exit 4'`)
    const end = ended(typed)
    const typing = setInterval(() => typed.stdin?.write('\r'), 200)
    expect(await end).toMatchObject({ code: 4, stdout: expect.stringContaining('40 90') })
    clearInterval(typing)
  })

  it('logs shows what a finished pod has said, until it is deleted', async () => {
    await told('run', 'done', '--restart=Never', '--image=x', '--command', '--', 'echo', 'bye')
    await told('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/done', '--timeout=10s')
    expect(await told('logs', 'done')).toBe('bye\n')
    expect(await told('logs', '-f', 'done')).toBe('bye\n')
    expect(await k(['exec', 'done', '--', 'true'])).toMatchObject({ code: 1 })
    await told('delete', 'pod', 'done')
    expect(await k(['logs', 'done'])).toMatchObject({ code: 1, stderr: expect.stringContaining('not found') })
  })

  it('serves the JavaScript client', async () => {
    const config = new KubeConfig()
    config.loadFromFile(kubeconfig)
    const out = new PassThrough()
    const output = text(out)
    const status = await new Promise<V1Status>((resolve, reject) => {
      const stdin = Readable.from([Buffer.from('hello')])
      new Exec(config)
        .exec('strict', 'web', 'app', ['sh', '-c', 'cat; exit 4'], out, null, stdin, false, resolve)
        .catch(reject)
    })
    out.end()
    expect(await output).toBe('hello')
    expect(status.details?.causes).toEqual([{ reason: 'ExitCode', message: '4' }])

    const lines = new PassThrough()
    const read = text(lines)
    await new Log(config).log('strict', 'web', 'app', lines, { tailLines: 1 })
    expect(await read).toBe('listening\n')

    const answer = new PassThrough()
    const request = new PassThrough()
    const forward = await new PortForward(config).portForward('strict', 'web', [8080], answer, null, request)
    request.write('GET /js HTTP/1.1\r\nhost: x\r\n\r\n')
    expect(await firstText(answer, 'served /js')).toContain('200 OK')
    const open = typeof forward === 'function' ? forward() : forward
    open?.close()

    const attached = new PassThrough()
    const words = new PassThrough()
    const socket = await new Attach(config).attach('default', 'listener', 'app', attached, null, words, false)
    words.write('from js\n')
    expect(await firstText(attached, 'got from js')).toContain('got from js')
    socket.close()
  })
})

/** What a process has written so far, once `word` is in it. */
function said(child: ChildProcess, word: string): Promise<string> {
  return firstText(child.stdout ?? Readable.from([]), word)
}

async function firstText(stream: Readable, word: string): Promise<string> {
  let all = ''
  while (!all.includes(word)) all += String((await once(stream, 'data'))[0])
  return all
}
