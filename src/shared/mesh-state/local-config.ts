import { LineCounter, parseDocument } from 'yaml'
import { formatPath, lineOfPath, list, type Path, record } from '#shared/document'
import { MeshError, reasonOf } from '#shared/errors'
import { type Authorization, addressKey, type MeshAddress, type Service, type Workload } from '#shared/model'
import { localPolicy, localService, localWorkload } from './local-shapes.ts'
import type { MeshState } from './mesh-state.ts'

/** State from a file (`LOCAL_XDS_PATH`) or a setting (`LOCAL_XDS`), beside what the control plane sends. */
export interface LocalConfig {
  readonly workloads: readonly Workload[]
  readonly services: readonly Service[]
  readonly policies: readonly Authorization[]
}

/** Problems told of one text. */
const MAX_PROBLEMS = 100
/** Aliases that a text may resolve to; more is an expansion attack. */
const MAX_ALIASES = 100

const shape = record(
  { workloads: list(localWorkload), services: list(localService), policies: list(localPolicy) },
  'closed',
)

/**
 * Reads the YAML (or JSON) of a local state: keys as in `/config_dump`, but a workload's `services` are a map of port
 * maps. The defaults of the control plane are not applied: without `trustDomain` and `serviceAccount` a workload has no
 * identity.
 *
 * @param where the file's name, for problems
 * @throws MeshError `CONFIG_INVALID` with every problem, one a line: `<where>:<line>: <field> <problem>`
 */
export function parseLocalConfig(text: string, where: string): LocalConfig {
  const problems: string[] = []
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  for (const error of document.errors) {
    problems.push(`${where}:${lines.linePos(error.pos[0]).line}: is no YAML: ${error.message}`)
  }
  if (problems.length > 0) throw invalid(problems)

  const report = (path: Path, problem: string): void => {
    const line = lineOfPath(document.contents, path, lines) ?? 1
    problems.push(`${where}:${line}: ${formatPath(path)} ${problem}`)
  }
  const config = shape(plainValue(document, where) ?? undefined, [], report)
  reportTwins(config, report)
  if (problems.length > 0) throw invalid(problems)
  return config
}

/** Puts a local state into the view, before the control plane adds to it. */
export function applyLocalConfig(state: MeshState, config: LocalConfig): void {
  const addresses: readonly MeshAddress[] = [
    ...config.services.map((service): MeshAddress => ({ kind: 'service', service })),
    ...config.workloads.map((workload): MeshAddress => ({ kind: 'workload', workload })),
  ]
  state.applyAddresses({
    changed: addresses.map((resource) => ({ name: addressKey(resource), version: '', resource })),
    removed: [],
  })
  state.applyAuthorizations({
    changed: config.policies.map((resource) => ({ name: policyKey(resource), version: '', resource })),
    removed: [],
  })
}

function plainValue(document: ReturnType<typeof parseDocument>, where: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES })
  } catch (error) {
    throw invalid([`${where}:1: is no YAML: ${reasonOf(error)}`])
  }
}

/** Of two entries with one key the second would silently replace the first. */
function reportTwins(config: LocalConfig, report: (path: Path, problem: string) => void): void {
  const lists: readonly (readonly [string, readonly string[]])[] = [
    ['workloads', config.workloads.map(({ uid }) => uid)],
    ['services', config.services.map(({ namespace, hostname }) => `${namespace}/${hostname}`)],
    ['policies', config.policies.map(policyKey)],
  ]
  for (const [name, keys] of lists) {
    const seen = new Map<string, number>()
    keys.forEach((key, index) => {
      const first = seen.get(key)
      if (first === undefined) seen.set(key, index)
      else report([name, index], `has the same key as ${name}[${first}]: ${JSON.stringify(key)}`)
    })
  }
}

function policyKey(policy: Authorization): string {
  return `${policy.namespace}/${policy.name}`
}

function invalid(problems: readonly string[]): MeshError {
  const hidden = problems.length - MAX_PROBLEMS
  const told = hidden > 0 ? [...problems.slice(0, MAX_PROBLEMS), `… and ${hidden} more`] : problems
  return new MeshError('CONFIG_INVALID', `local state cannot be used:\n${told.join('\n')}`)
}
