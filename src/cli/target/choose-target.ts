import { join, resolve } from 'node:path'
import { MeshError } from '#shared/errors'
import type { KubeAccess } from '#shared/kube-client'

/** What the user said about the cluster that is meant. */
export interface TargetFlags {
  /** `--state`; undefined: not given. */
  readonly state?: string
  readonly kubeconfig?: string
  readonly context?: string
}

/** What there is to choose from. */
export interface TargetFacts {
  readonly flags: TargetFlags
  /** For relative paths. */
  readonly cwd: string
  /** Of the environment; empty when not set. */
  readonly kubeconfig: string
  readonly home: string
  readonly clusterHost: string
  readonly clusterPort: string
  readonly isMeshUp: (stateDir: string) => boolean
  readonly exists: (path: string) => boolean
}

/** The cluster that a command speaks with. */
export interface Target {
  readonly access: KubeAccess
  /** How it was chosen, as part of a sentence: `the mesh in /home/me/.ambit`. */
  readonly from: string
  /** Folder of the mesh on this machine; undefined for any other cluster. */
  readonly stateDir: string | undefined
}

/** The mesh of a folder on this machine. */
export interface MeshTarget extends Target {
  readonly access: { readonly kind: 'kubeconfig'; readonly files: readonly string[] }
  readonly stateDir: string
}

export const DEFAULT_STATE = '.ambit'

/**
 * `--kubeconfig`, or `--context`; else the mesh of `--state`, when it is up; else as kubectl finds a cluster.
 * @throws MeshError when there is none, with what to do; a folder that was named never leads to another cluster
 */
export function chooseTarget(facts: TargetFacts): Target {
  const { flags, cwd } = facts
  const context = flags.context === undefined ? {} : { context: flags.context }
  if (flags.kubeconfig !== undefined) {
    const file = resolve(cwd, flags.kubeconfig)
    return found({ kind: 'kubeconfig', files: [file], ...context }, `--kubeconfig ${flags.kubeconfig}`, flags)
  }
  if (flags.context === undefined) {
    const stateDir = resolve(cwd, flags.state ?? DEFAULT_STATE)
    if (facts.isMeshUp(stateDir)) return meshTarget(stateDir)
    if (flags.state !== undefined) throw noMesh(stateDir)
  }
  const files = facts.kubeconfig.split(':').filter((file) => file !== '')
  if (files.length > 0) return found({ kind: 'kubeconfig', files, ...context }, `KUBECONFIG=${facts.kubeconfig}`, flags)
  const usual = join(facts.home, '.kube', 'config')
  if (facts.home !== '' && facts.exists(usual))
    return found({ kind: 'kubeconfig', files: [usual], ...context }, usual, flags)
  const port = Number(facts.clusterPort)
  if (facts.clusterHost !== '' && Number.isInteger(port) && port > 0)
    return found({ kind: 'in-cluster', host: facts.clusterHost, port }, "this pod's service account", {})
  throw new MeshError(
    'NOT_FOUND',
    `no mesh is up in ${resolve(cwd, flags.state ?? DEFAULT_STATE)}, and there is no kubeconfig; ` +
      'start a mesh with "ambit up", or name a cluster with --kubeconfig',
  )
}

export function meshTarget(stateDir: string): MeshTarget {
  const access = { kind: 'kubeconfig', files: [join(stateDir, 'kubeconfig')] } as const
  return { access, from: `the mesh in ${stateDir}`, stateDir }
}

/** One sentence and what to do. */
export function noMesh(stateDir: string): MeshError {
  return new MeshError(
    'NOT_FOUND',
    `no mesh is up in ${stateDir}; start one with "ambit up", or name its folder with --state`,
  )
}

function found(access: KubeAccess, from: string, { context }: TargetFlags): Target {
  const suffix = context === undefined ? '' : `${from.startsWith('--') ? ' ' : ', '}--context ${context}`
  return { access, from: from + suffix, stateDir: undefined }
}
