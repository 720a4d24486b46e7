import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ambit } from '../support/ambit.ts'
import { requirePrivileges } from '../support/privileges.ts'

const client = (namespace: string, name: string, annotations = ''): string => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, annotations: { ${annotations} } }
spec: { containers: [{ name: c, command: [sleep, infinity] }] }`

const MANIFESTS = [
  'apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }',
  'apiVersion: v1\nkind: Namespace\nmetadata: { name: legacy }',
  client('shop', 'client'),
  client('shop', 'plain', 'ambient.istio.io/dns-capture: "false"'),
  client('legacy', 'client'),
  `apiVersion: v1
kind: Service
metadata: { name: front, namespace: shop }
spec: { clusterIP: 10.96.7.7, selector: { app: none }, ports: [{ name: http, port: 80 }] }`,
].join('\n---\n')

/** A resolver without search list: only the tunnel knows what a short name stands for. */
const NAMES = `
const dns = require('dns/promises')
const got = async (what) => { try { return await what } catch (error) { return error.code } }
const six = new dns.Resolver()
six.setServers(['fd00:10:96::a'])
const svc = (name) => name + '.svc.cluster.local'
const told = async () => ({
  short: await got(dns.resolve4('front.shop')),
  bySix: await got(six.resolve4('front.shop')),
  whole: await got(dns.resolve4(svc('front.shop'))),
  looked: (await dns.lookup('front.shop', { family: 4 })).address,
  ports: (await got(dns.resolveSrv('_dns-tcp._tcp.' + svc('kube-dns.kube-system')))).map(({ port }) => port)[0],
  reverse: await got(dns.reverse('10.96.0.10')),
  outside: await got(dns.resolve4('example.org')),
})
told().then((all) => console.log(JSON.stringify(all)))`

describe.runIf(requirePrivileges())('a mesh on one machine whose tunnels answer DNS', () => {
  let dir: string
  let ambit: Ambit

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-dns-'))
    ambit = new Ambit({ stateDir: join(dir, 'state') })
    const folder = join(dir, 'yaml')
    mkdirSync(folder)
    writeFileSync(join(folder, 'all.yaml'), MANIFESTS)
    const args = ['up', '--detach', '-f', folder, '--env', 'node-agent:AMBIT_DNS_CAPTURE=true']
    expect(await ambit.run(args)).toMatchObject({ code: 0, stderr: '' })
  })
  afterAll(async () => {
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  })

  it.each([
    ['shop/client', ['10.96.7.7']],
    ['shop/plain', 'ENOTFOUND'],
    ['legacy/client', 'ENOTFOUND'],
  ])('answers %s by what it knows, and everything else by the DNS of the cluster', async (pod, short) => {
    const [namespace = '', name = ''] = pod.split('/')
    const { stdout, stderr } = await ambit.run(['exec', '-n', namespace, name, '--', 'node', '-e', NAMES])
    expect(JSON.parse(stdout === '' ? stderr : stdout)).toEqual({
      short,
      bySix: short,
      whole: ['10.96.7.7'],
      looked: '10.96.7.7',
      ports: 53,
      reverse: ['kube-dns.kube-system.svc.cluster.local'],
      outside: 'ENOTFOUND',
    })
  })
})
