import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import { replaceFile } from '../host/index.ts'
import { MeshProgram, type ProgramMachine } from './mesh-program.ts'
import { TokenFile, TokenSigner } from './node-tokens.ts'
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
  readonly pod: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
    readonly serviceAccount: string
    readonly serviceAccountUid: string
  }
}

export interface MeshProgramsSettings {
  readonly place: ProgramPlace
  readonly machine: ProgramMachine
  readonly clock: Clock
  readonly logger: Logger
  readonly fabric: { readonly netns: Netns; readonly netnsPath: string; readonly addresses: readonly string[] }
  readonly nodes: readonly ProgramNode[]
  readonly folders: { readonly objects: string; readonly netns: string; readonly nodes: string }
  readonly tokenKey: string
  readonly jwks: string
}

/** Where each program says that it is ready. */
const READY = {
  istiod: { readyPort: 8_080, readyPath: '/ready' },
  nodeAgent: { readyPort: 15_022, readyPath: '/healthz/ready' },
  ztunnel: { readyPort: 15_021, readyPath: '/healthz/ready' },
} as const

/** All programs of the mesh, with the tokens that the tunnels show to the control plane. */
export class MeshPrograms implements Closer {
  readonly list: readonly MeshProgram[]
  readonly #tokens: readonly TokenFile[]

  private constructor(list: readonly MeshProgram[], tokens: readonly TokenFile[]) {
    this.list = list
    this.#tokens = tokens
  }

  /** Starts them all at once: each waits by itself for what it needs of the others. */
  static async start(settings: MeshProgramsSettings): Promise<MeshPrograms> {
    const { place, machine, clock, logger, fabric, nodes, folders } = settings
    const signer = await TokenSigner.open(settings.tokenKey)
    replaceFile(settings.jwks, signer.jwks)
    const istiod = istiodCommand(place, {
      addresses: fabric.addresses,
      jwksFile: settings.jwks,
      kubeDir: folders.objects,
    })
    const list = [
      new MeshProgram(
        { name: 'istiod-lite', node: undefined, command: istiod, ...inFabric(fabric), ...READY.istiod },
        machine,
      ),
    ]
    list[0]?.start()
    const tokens = await Promise.all(
      nodes.map(async (node) => {
        const runDir = join(folders.nodes, node.name)
        mkdirSync(runDir, { recursive: true, mode: 0o700 })
        const tokenFile = join(runDir, 'token')
        const { name: podName, uid: podUid, ...account } = node.pod
        const token = await TokenFile.keep(
          tokenFile,
          { podName, podUid, node: node.name, ...account },
          { signer, clock, logger },
        )
        const nodePlace = placeOf(settings, node, runDir, tokenFile)
        const where = { node: node.name, netns: node.netns, netnsPath: node.netnsPath }
        for (const program of [
          new MeshProgram(
            { name: 'node-agent', command: nodeAgentCommand(place, nodePlace), ...where, ...READY.nodeAgent },
            machine,
          ),
          new MeshProgram(
            { name: 'ztunnel', command: ztunnelCommand(place, nodePlace), ...where, ...READY.ztunnel },
            machine,
          ),
        ]) {
          list.push(program)
          program.start()
        }
        return token
      }),
    )
    return new MeshPrograms(list, tokens)
  }

  get isReady(): boolean {
    return this.list.every((program) => program.isReady)
  }

  trimLogs(): void {
    for (const program of this.list) program.trimLog()
  }

  async stop(graceMs: number): Promise<void> {
    await Promise.all([
      ...this.list.map((program) => program.stop(graceMs)),
      ...this.#tokens.map((token) => token.close()),
    ])
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

function placeOf(settings: MeshProgramsSettings, node: ProgramNode, runDir: string, tokenFile: string): NodePlace {
  const { place, fabric, folders } = settings
  const [address = ''] = fabric.addresses
  return {
    node: node.name,
    netnsPath: node.netnsPath,
    runDir,
    kubeDir: folders.objects,
    netnsDir: folders.netns,
    controlPlane: `https://${address}:${CONTROL_PLANE_PORT}`,
    rootCertFile: rootCertFile(place.stateDir),
    tokenFile,
    pod: node.pod,
    instanceIp: node.ip,
  }
}
