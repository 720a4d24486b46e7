import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Closer } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'
import { MeshProgram, type ProgramMachine } from './mesh-program.ts'
import {
  CONTROL_PLANE_PORT,
  istiodCommand,
  type NodePlace,
  nodeAgentCommand,
  type ProgramPlace,
  rootCertFile,
  ztunnelCommand,
} from './program-specs.ts'

/** A node as its programs see it. */
export interface ProgramNode {
  readonly name: string
  readonly netns: Netns
  readonly netnsPath: string
  readonly ip: string
  /** The pod that the tunnel is for the CA. */
  readonly pod: { readonly namespace: string; readonly name: string; readonly serviceAccount: string }
  /** What the tunnel shows to the CA; somebody keeps it fresh. */
  readonly tokenFile: string
}

export interface MeshProgramsSettings {
  readonly place: ProgramPlace
  readonly machine: ProgramMachine
  readonly fabric: { readonly netns: Netns; readonly netnsPath: string; readonly addresses: readonly string[] }
  readonly nodes: readonly ProgramNode[]
  /** The cluster's DNS, as pods reach it. */
  readonly nameServers: readonly string[]
  readonly kubeconfigs: { readonly istiod: string; readonly nodeAgent: string }
  readonly folders: { readonly netns: string; readonly nodes: string }
}

/** Where each program says that it is ready. */
const READY = {
  istiod: { readyPort: 8_080, readyPath: '/ready' },
  nodeAgent: { readyPort: 15_022, readyPath: '/healthz/ready' },
  ztunnel: { readyPort: 15_021, readyPath: '/healthz/ready' },
} as const

/** All programs of the mesh. */
export class MeshPrograms implements Closer {
  readonly list: readonly MeshProgram[]

  /** Starts them all at once: each waits by itself for what it needs of the others. */
  constructor(settings: MeshProgramsSettings) {
    const { place, machine, fabric, nodes, kubeconfigs } = settings
    const istiod = istiodCommand(place, { addresses: fabric.addresses, kubeconfig: kubeconfigs.istiod })
    this.list = [
      new MeshProgram(
        { name: 'istiod-lite', node: undefined, command: istiod, ...inFabric(fabric), ...READY.istiod },
        machine,
      ),
      ...nodes.flatMap((node) => {
        const nodePlace = placeOf(settings, node)
        const where = { node: node.name, netns: node.netns, netnsPath: node.netnsPath }
        return [
          new MeshProgram(
            { name: 'node-agent', command: nodeAgentCommand(place, nodePlace), ...where, ...READY.nodeAgent },
            machine,
          ),
          new MeshProgram(
            { name: 'ztunnel', command: ztunnelCommand(place, nodePlace), ...where, ...READY.ztunnel },
            machine,
          ),
        ]
      }),
    ]
    for (const program of this.list) program.start()
  }

  get isReady(): boolean {
    return this.list.every((program) => program.isReady)
  }

  trimLogs(): void {
    for (const program of this.list) program.trimLog()
  }

  async stop(graceMs: number): Promise<void> {
    await Promise.all(this.list.map((program) => program.stop(graceMs)))
  }

  close(): Promise<void> {
    return this.stop(0)
  }
}

function inFabric({ netns, netnsPath }: MeshProgramsSettings['fabric']): {
  readonly netns: Netns
  readonly netnsPath: string
} {
  return { netns, netnsPath }
}

function placeOf(
  { place, fabric, folders, kubeconfigs, nameServers }: MeshProgramsSettings,
  node: ProgramNode,
): NodePlace {
  const [address = ''] = fabric.addresses
  const runDir = join(folders.nodes, node.name)
  mkdirSync(runDir, { recursive: true, mode: 0o700 })
  const resolvConf = join(runDir, 'resolv.conf')
  writeFileSync(resolvConf, nameServers.map((server) => `nameserver ${server}\n`).join(''))
  return {
    node: node.name,
    netnsPath: node.netnsPath,
    runDir,
    kubeconfig: kubeconfigs.nodeAgent,
    netnsDir: folders.netns,
    controlPlane: `https://${address}:${CONTROL_PLANE_PORT}`,
    rootCertFile: rootCertFile(place.stateDir),
    tokenFile: node.tokenFile,
    resolvConf,
    pod: node.pod,
    instanceIp: node.ip,
  }
}
