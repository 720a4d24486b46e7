import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Ambit } from './ambit.ts'
import { RealIstiod } from './real-istiod.ts'

const run = promisify(execFile)
/** Where nodes reach what runs beside the supervisor; istiod-lite has the usual ports there. */
const FABRIC = '10.243.0.1'
const PORTS = [15_110, 15_112, 18_080, 15_117, 15_114]

/** What `ambit up` is told so that its tunnels take Istio's control plane for theirs. */
export function tunnelEnv(dir: string): readonly string[] {
  const root = join(dir, 'root.pem')
  const env = {
    XDS_ADDRESS: `https://${FABRIC}:${PORTS[1]}`,
    CA_ADDRESS: `https://${FABRIC}:${PORTS[1]}`,
    ALT_XDS_HOSTNAME: 'istiod.istio-system.svc',
    ALT_CA_HOSTNAME: 'istiod.istio-system.svc',
    XDS_ROOT_CA: root,
    CA_ROOT_CA: root,
    SECRET_TTL: '20s',
  }
  return Object.entries(env).flatMap(([name, value]) => ['--env', `ztunnel:${name}=${value}`])
}

/** Istio's control plane in the namespaces of a mesh that is coming up, and its root where the tunnels look for it. */
export async function startInside(binary: string, ambit: Ambit, dir: string): Promise<RealIstiod> {
  const { netns } = await ambit.until((status) => status.programs.length > 0, 30_000)
  const inside = join(dir, 'kubeconfig')
  const outside = join(dir, 'state', 'kubeconfig')
  writeFileSync(inside, readFileSync(outside, 'utf8').replace(/server: .*/, `server: https://${FABRIC}:6443`), {
    mode: 0o600,
  })
  const within = ['nsenter', `--net=${netns}`]
  const istiod = await RealIstiod.start({ binary, kubeconfig: inside, within, ports: PORTS })
  const jsonpath = String.raw`jsonpath={.data.ca-cert\.pem}`
  const args = ['--kubeconfig', outside, 'get', 'secret', 'istio-ca-secret', '-n', 'istio-system', '-o', jsonpath]
  const { stdout } = await run('kubectl', args)
  writeFileSync(join(dir, 'root.pem'), Buffer.from(stdout, 'base64'))
  return istiod
}
