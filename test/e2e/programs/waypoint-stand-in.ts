/**
 * Stands where a waypoint's program will: looks at everything that its container is given, gets an identity of its own the
 * way it was told, says what it found in one line, and is ready from then on.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { systemClock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { spiffeId } from '#shared/model'
import { createCsr } from '#shared/pki'
import { CaClient, parseControlPlaneUrl } from '#shared/xds'

const env = (name: string): string => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}

function refusal(file: string): string | undefined {
  try {
    writeFileSync(file, '')
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

async function certificates(): Promise<number> {
  const place = parseControlPlaneUrl(env('CA_ADDRESS'))
  if (place === undefined) throw new Error('CA_ADDRESS is no URL')
  const client = new CaClient(
    {
      ...place,
      roots: { kind: 'file', path: env('CA_ROOT_CA') },
      token: { kind: 'file', path: env('AUTH_TOKEN') },
      alternativeHost: undefined,
      clusterId: env('ISTIO_META_CLUSTER_ID'),
      headers: [],
      allowTls12: false,
    },
    systemClock,
  )
  const id = spiffeId({
    trustDomain: env('TRUST_DOMAIN'),
    namespace: env('POD_NAMESPACE'),
    serviceAccount: env('SERVICE_ACCOUNT'),
  })
  const request = { csrPem: createCsr(id).csrPem, impersonatedId: undefined, validitySeconds: 3_600 }
  const chain = await client.createCertificate(request, 5_000)
  await client.close()
  return chain.length
}

const found = {
  user: [process.getuid?.(), process.getgid?.()],
  capabilities: /CapEff:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1],
  refused: ['/etc/istio/pod/labels', '/etc/own', '/own'].map(refusal),
  labels: readFileSync('/etc/istio/pod/labels', 'utf8').split('\n').sort(),
  annotations: readFileSync('/etc/istio/pod/annotations', 'utf8').includes('prometheus.io/port="15020"'),
  gateway: env('AMBIT_GATEWAY'),
  workload: env('ISTIO_META_WORKLOAD_NAME'),
  addresses: [env('INSTANCE_IP'), env('HOST_IP')].map((address) => address !== ''),
  node: env('NODE_NAME'),
  certificates: await certificates().catch(reasonOf),
}
process.stdout.write(`${JSON.stringify(found)}\n`)
createServer(({ url }, response) => response.writeHead(url === '/healthz/ready' ? 200 : 404).end()).listen(15_021)
process.once('SIGTERM', () => process.exit(0))
