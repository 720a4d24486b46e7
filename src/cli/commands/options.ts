import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { systemClock } from '#shared/clock'
import { runningProcesses } from '../client/index.ts'
import { Session } from '../kubectl/index.ts'
import type { Terminal } from '../print/index.ts'
import {
  chooseTarget,
  DEFAULT_STATE,
  type OpenTarget,
  type Target,
  type TargetFlags,
  withTarget,
} from '../target/index.ts'

export { collect } from '../flags/index.ts'
export { DEFAULT_STATE }

/** What `main.ts` finds out about this installation. */
export interface Installation {
  /** `dist/`, with one folder per program. */
  readonly distDir: string
  /** The demo's folder of YAML. */
  readonly demoDir: string
  /** What to type for this very `ambit`. */
  readonly command: string
  /** PATH of the user. */
  readonly path: string
  readonly logFilter: string
  readonly kubeconfig: string
  readonly home: string
  readonly clusterHost: string
  readonly clusterPort: string
  readonly terminal: Terminal
}

/** Every command that speaks with the mesh on this machine, and with nothing else, takes `--state`. */
export function withState(command: Command): Command {
  return command.option('--state <dir>', 'folder of the mesh', DEFAULT_STATE)
}

export function stateOf(options: { readonly state: string }): string {
  return resolve(options.state)
}

/** The cluster that a command is meant for. @throws MeshError when there is none */
export function targetOf(installation: Installation, flags: TargetFlags): Target {
  const { kubeconfig, home, clusterHost, clusterPort, terminal } = installation
  return chooseTarget({
    flags,
    cwd: terminal.cwd,
    kubeconfig,
    home,
    clusterHost,
    clusterPort,
    isMeshUp: (stateDir) => runningProcesses(stateDir).length > 0 && existsSync(join(stateDir, 'kubeconfig')),
    exists: existsSync,
  })
}

export interface ClusterFlags extends TargetFlags {
  readonly namespace?: string
}

/** Runs `work` with a session on the cluster that is meant. */
export function withSession<T>(
  installation: Installation,
  flags: ClusterFlags,
  work: (session: Session, target: OpenTarget) => Promise<T>,
): Promise<T> {
  return withTarget(targetOf(installation, flags), flags.namespace, (open) => {
    const { connection, namespace } = open
    return work(new Session({ connection, namespace, terminal: installation.terminal, clock: systemClock }), open)
  })
}
