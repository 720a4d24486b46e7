/** From a Gateway to a running process, on one machine; which process that is does not matter here. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ambit } from '../support/ambit.ts'
import { hasKubectl, type KubectlResult, kubectl } from '../support/kube-api.ts'
import { requirePrivileges } from '../support/privileges.ts'

const STAND_IN = resolve(import.meta.dirname, 'programs/waypoint-stand-in.ts')
const images = (command: readonly string[]): string =>
  JSON.stringify({ images: [{ image: 'ambit/waypoint', command }] })
const MARKET = `
apiVersion: v1
kind: Namespace
metadata: { name: market, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: market }
spec:
  gatewayClassName: istio-waypoint
  listeners: [{ name: mesh, port: 15008, protocol: HBONE }]
`

describe.runIf(requirePrivileges() && hasKubectl())('a Gateway of a waypoint, on one machine', () => {
  let dir = ''
  let stateDir = ''
  let ambit: Ambit
  const k = (command: string, input = ''): Promise<KubectlResult> =>
    kubectl({ dir, kubeconfig: join(stateDir, 'kubeconfig') }, command.split(' '), input)
  const told = async (command: string, input = ''): Promise<string> => {
    const { code, stdout, stderr } = await k(command, input)
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' })
    return stdout
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-waypoint-'))
    stateDir = join(dir, 'state')
    const file = join(dir, 'images.yaml')
    writeFileSync(file, images(['node', '--conditions=source', STAND_IN]))
    ambit = new Ambit({ stateDir })
    const up = await ambit.run(['up', '--detach', '--nodes', '1', '--images', file])
    expect(up).toMatchObject({ code: 0, stderr: '' })
    await told('apply -f -', MARKET)
  })
  afterAll(async () => {
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  })

  it('runs its image, and has an address once that is ready', async () => {
    await told('wait -n market --for=condition=Programmed gateway/waypoint --timeout=40s')
    const pod = '-n market get pod -l gateway.networking.k8s.io/gateway-name=waypoint -o'
    expect(await told(`${pod} jsonpath={.items[*].status.containerStatuses[0].ready}`)).toBe('true')
    const service = await told('get -n market service waypoint -o jsonpath={.spec.clusterIP}')
    const addresses = await told('get -n market gateway waypoint -o jsonpath={.status.addresses[*].value}')
    expect(addresses.split(' ')).toContain(service)
  })

  it('gives it what a cluster would: account, files, rights, and the control plane by its name', async () => {
    const logs = await told('logs -n market deployment/waypoint')
    expect(JSON.parse(logs)).toMatchObject({
      user: [1337, 1337],
      capabilities: '0000000000000000',
      refused: ['EROFS', 'EROFS', 'EROFS'],
      labels: expect.arrayContaining(['gateway.networking.k8s.io/gateway-name="waypoint"']),
      annotations: true,
      gateway: 'waypoint',
      workload: 'waypoint',
      addresses: [true, true],
      node: 'node-a',
      // Its leaf and the root.
      certificates: 2,
    })
  })

  it('starts another when its process ends, and takes all of it away with the Gateway', async () => {
    await told('delete -n market pod -l gateway.networking.k8s.io/gateway-name=waypoint')
    await told('rollout status -n market deployment/waypoint --timeout=40s')
    await told('delete -n market gateway waypoint')
    await told('wait -n market --for=delete deployment/waypoint --timeout=20s')
  })
})
