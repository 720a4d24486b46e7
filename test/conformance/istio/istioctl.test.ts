import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ambit } from '../../support/ambit.ts'
import { requirePrivileges } from '../../support/privileges.ts'
import { istioProgram } from '../../support/real-istiod.ts'

const binary = istioProgram('AMBIT_ISTIOCTL')
const canRun = binary !== undefined && requirePrivileges()

interface Said {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

describe.runIf(canRun)('istioctl and a mesh on one machine', { timeout: 60_000 }, () => {
  let dir = ''
  let ambit: Ambit

  const run = (command: string, line: string): Promise<Said> => {
    const env = { PATH: process.env.PATH, HOME: dir, KUBECONFIG: join(dir, 'state', 'kubeconfig') }
    return new Promise((resolve) => {
      execFile(command, line.split(' '), { env, timeout: 30_000 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
      })
    })
  }
  const istioctl = (line: string): Promise<Said> => run(binary ?? '', line)
  const k = (line: string): Promise<Said> => run('kubectl', line)

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-istioctl-'))
    ambit = new Ambit({ stateDir: join(dir, 'state') })
    expect(await ambit.run(['up', '--detach', '--demo'])).toMatchObject({ code: 0 })
    const request = ['exec', '-n', 'shop', 'client', '--', 'node', 'request.mjs', 'http://web/checkout']
    expect((await ambit.run(request)).stdout).toMatch(/^200 /)
  }, 60_000)
  afterAll(async () => {
    await ambit?.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  }, 60_000)

  it.each([
    ['workload', /^shop +web +10\.244\.1\.\d+,\S+ +node-a +None +HBONE/m],
    ['workload --node node-b', /^shop +payments +10\.244\.2\.\d+,\S+ +node-b +None +HBONE/m],
    ['service', /^shop +cart +10\.96\.\d+\.\d+,\S+ +None +2\/2/m],
    ['policy', /^NAMESPACE +POLICY NAME +ACTION +SCOPE/m],
    [
      'certificate ztunnel-node-b.istio-system',
      /^spiffe:\/\/cluster\.local\/ns\/shop\/sa\/payments +Leaf +Available +true/m,
    ],
    ['connections --node node-a', /^WORKLOAD +DIRECTION +LOCAL/m],
    ['all --node node-a', /^shop +web +10\.96\.\d+\.\d+/m],
    ['log ztunnel-node-a.istio-system --level debug', /current log level is debug/],
    ['log ztunnel-node-a.istio-system --level info', /current log level is info/],
  ])('ztunnel-config %s reaches the tunnel through its pod', async (line, row) => {
    const { code, stdout, stderr } = await istioctl(`ztunnel-config ${line}`)
    expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(row) })
  })

  it('version asks the control plane', async () => {
    const { code, stdout } = await istioctl('version')
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^control plane version: 0\./m) })
  })

  it('waypoint writes, lists and deletes Gateways, which nobody programs', async () => {
    expect((await istioctl('waypoint generate')).stdout).toContain('gatewayClassName: istio-waypoint')
    expect((await istioctl('waypoint apply -n shop --wait=false')).stdout).toContain('waypoint shop/waypoint applied')
    expect((await istioctl('waypoint list -A')).stdout).toMatch(/^shop +waypoint +default +none +False/m)
    expect((await istioctl('waypoint status -n shop --waypoint-timeout 1s')).stderr).toContain('timed out')
    expect((await istioctl('waypoint delete -n shop waypoint')).stdout).toContain('waypoint shop/waypoint deleted')
  })

  it('analyze finds no error', async () => {
    const { stdout } = await istioctl('analyze -A')
    expect(stdout).not.toMatch(/^Error /m)
    expect(await istioctl('experimental precheck')).toMatchObject({ code: 0 })
  })

  it('proxy-status reads what every tunnel has', async () => {
    const { code, stdout, stderr } = await istioctl('proxy-status')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^NAME +CLUSTER +ISTIOD +VERSION +SUBSCRIBED TYPES/)
    for (const node of ['node-a', 'node-b'])
      expect(stdout).toMatch(new RegExp(`^ztunnel~\\S+~ztunnel-${node}\\S+ +istiod-lite +2 \\(WADS,WDS\\)`, 'm'))
    expect((await istioctl('proxy-status -v 1')).stdout).toMatch(/ SYNCED \(\S+\) .* SYNCED /)
    expect((await istioctl('experimental internal-debug syncz')).stdout).toContain('"state": "SYNCED"')
  })

  it('every program shows as a pod that has a log and is not entered', async () => {
    const { stdout } = await k('get pods,daemonsets -n istio-system --no-headers -o name')
    expect(stdout.trim().split('\n')).toEqual([
      'pod/istiod-lite',
      'pod/node-agent-node-a',
      'pod/node-agent-node-b',
      'pod/ztunnel-node-a',
      'pod/ztunnel-node-b',
      'daemonset.apps/ztunnel',
    ])
    expect((await k('logs -n istio-system ztunnel-node-a')).stdout).toContain('pod is served')
    expect((await k('logs -n istio-system istiod-lite --tail=1')).stdout.split('\n')).toHaveLength(2)
    expect((await k('logs -n istio-system ztunnel-node-a -p')).stderr).toContain('one log over all its starts')
    expect((await k('exec -n istio-system istiod-lite -- true')).stderr).toContain('is a program of the mesh')
  })
})
