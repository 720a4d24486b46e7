import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Command } from 'commander'
import { ANALYSED_KINDS, analyse } from '#shared/analysis'
import { systemClock } from '#shared/clock'
import { duration } from '#shared/config'
import { AMBIT_VERSION } from '#shared/control'
import { MeshError, reasonOf } from '#shared/errors'
import type { KubeConnection } from '#shared/kube-client'
import { clusterObjects, findingsText } from '../analysis/index.ts'
import {
  type CollectBounds,
  type Collected,
  collect,
  logFileSources,
  type Outcome,
  objectSources,
  programSources,
  type Source,
  tarOf,
  within,
} from '../bug-report/index.ts'
import { machineFacts, machineLines, reportText } from '../checks/index.ts'
import { ControlClient } from '../client/index.ts'
import { discover, MESH_NAMESPACE } from '../cluster/index.ts'
import { ofKind, withTargetFlags } from '../flags/index.ts'
import { type OpenTarget, type Target, withTarget } from '../target/index.ts'
import { checkLines } from './check.ts'
import { type ClusterFlags, DEFAULT_STATE, type Installation, targetOf } from './options.ts'

interface BugReportFlags extends ClusterFlags {
  readonly istioNamespace: string
  readonly file?: string
  readonly timeout: number
}

const SOURCE_MS = 15_000
const TOTAL_MS = 120_000
const FILE_BYTES = 8 << 20
const TOTAL_BYTES = 64 << 20
/** Only for its owner: names, addresses and logs of a mesh are nobody else's. */
const FILE_MODE = 0o600

export function addBugReport(program: Command, installation: Installation): void {
  withTargetFlags(program.command('bug-report'))
    .description('collect what is needed to understand a problem, without secrets, in one archive')
    .option('-i, --istio-namespace <name>', 'where the mesh of a cluster is', MESH_NAMESPACE)
    .option('--file <path>', 'the archive (default: ambit-bug-report-TIME.tar.gz, here)')
    .option('--timeout <time>', 'longest time for all of it', ofKind(duration), TOTAL_MS)
    .action((flags: BugReportFlags) => bugReport(flags, installation))
}

async function bugReport(flags: BugReportFlags, installation: Installation): Promise<void> {
  const { terminal } = installation
  const time = new Date(systemClock.nowMs()).toISOString().replace(/[:.]/g, '-')
  const folder = `ambit-bug-report-${time}`
  const file = resolve(terminal.cwd, flags.file ?? `${folder}.tar.gz`)
  const stateDir = resolve(terminal.cwd, flags.state ?? DEFAULT_STATE)
  const bounds: CollectBounds = {
    sourceMs: SOURCE_MS,
    totalMs: flags.timeout,
    fileBytes: FILE_BYTES,
    totalBytes: TOTAL_BYTES,
  }
  const own = [
    jsonSource('versions.json', async () => ({
      ambit: AMBIT_VERSION,
      node: process.version,
      platform: process.platform,
      arch: process.arch,
    })),
    textSource('machine.txt', async () => reportText(machineLines(machineFacts(installation.path)))),
    textSource('check.txt', async () => reportText(await checkLines(flags, installation))),
  ]
  const { files, outcomes } = await ofTarget(flags, installation, own, bounds, stateDir)
  const contents = { path: 'contents.json', text: `${JSON.stringify({ time, files: outcomes }, null, 1)}\n` }
  try {
    writeFileSync(file, gzipSync(tarOf(folder, [contents, ...files], systemClock.nowMs())), {
      mode: FILE_MODE,
      flag: 'wx',
    })
  } catch (cause) {
    throw new MeshError('COMMAND_FAILED', `${file} cannot be written: ${reasonOf(cause)}`, { cause })
  }
  terminal.stdout.write(`${summary(file, files.length, outcomes)}`)
}

/** Whatever is there of: a cluster that answers, one that does not, a folder of a mesh that is down, nothing. */
async function ofTarget(
  flags: BugReportFlags,
  installation: Installation,
  own: readonly Source[],
  bounds: CollectBounds,
  stateDir: string,
): Promise<Collected> {
  const untilMs = systemClock.monotonicMs() + bounds.totalMs
  const logs = logFileSources(stateDir)
  let target: Target
  try {
    target = targetOf(installation, flags)
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    return withProblem(await collect([...own, ...logs], bounds, systemClock), 'cluster', error.message)
  }
  try {
    return await withTarget(target, undefined, async (open) => {
      const first = await collect(
        [...own, ...machineSources(target), ...clusterSources(open), ...logs],
        bounds,
        systemClock,
      )
      const leftMs = Math.max(untilMs - systemClock.monotonicMs(), 0)
      const usedBytes = first.outcomes.reduce((sum, { bytes }) => sum + bytes, 0)
      const left = { ...bounds, totalMs: leftMs, totalBytes: bounds.totalBytes - usedBytes }
      return joined(first, await collectDeeper(open, flags, left))
    })
  } catch (error) {
    // A kubeconfig that cannot be used: what is left is this machine.
    if (!(error instanceof MeshError)) throw error
    return withProblem(await collect([...own, ...logs], bounds, systemClock), 'cluster', error.message)
  }
}

function machineSources({ stateDir }: Target): readonly Source[] {
  return stateDir === undefined ? [] : [jsonSource('status.json', () => new ControlClient(stateDir).status())]
}

function clusterSources({ connection, from }: OpenTarget): readonly Source[] {
  return [
    jsonSource('cluster.json', async () => ({
      server: connection.server,
      from,
      version: await connection.json({ method: 'GET', path: '/version' }),
    })),
    textSource('analysis.txt', async () => {
      const { objects } = await clusterObjects(connection)
      return findingsText(analyse(objects), objects.length, () => undefined)
    }),
  ]
}

/** What has to be asked for before one knows which files there are. */
async function collectDeeper(open: OpenTarget, flags: BugReportFlags, bounds: CollectBounds): Promise<Collected> {
  const { connection } = open
  const untilMs = systemClock.monotonicMs() + bounds.totalMs
  const found: Source[] = []
  const problems: Outcome[] = []
  const parts: readonly (readonly [path: string, sources: () => Promise<readonly Source[]>])[] = [
    ['programs', () => programSources(connection, flags.istioNamespace)],
    ['objects', () => kindSources(connection, flags.istioNamespace)],
  ]
  for (const [path, sources] of parts) {
    try {
      const waitMs = Math.min(bounds.sourceMs, untilMs - systemClock.monotonicMs())
      found.push(...(await within(sources, waitMs, systemClock)))
    } catch (error) {
      problems.push({ path, bytes: 0, isCut: false, problem: reasonOf(error) })
    }
  }
  const left = { ...bounds, totalMs: untilMs - systemClock.monotonicMs() }
  return joined(await collect(found, left, systemClock), { files: [], outcomes: problems })
}

async function kindSources(connection: KubeConnection, namespace: string): Promise<readonly Source[]> {
  return objectSources(connection, await discover(connection), ANALYSED_KINDS, namespace)
}

function jsonSource(path: string, read: () => Promise<unknown>): Source {
  return textSource(path, async () => `${JSON.stringify(await read(), null, 1)}\n`)
}

function textSource(path: string, read: () => Promise<string>): Source {
  return { path, keeps: 'head', read }
}

function joined(a: Collected, b: Collected): Collected {
  return { files: [...a.files, ...b.files], outcomes: [...a.outcomes, ...b.outcomes] }
}

function withProblem(collected: Collected, path: string, problem: string): Collected {
  return joined(collected, { files: [], outcomes: [{ path, bytes: 0, isCut: false, problem }] })
}

function summary(file: string, count: number, outcomes: readonly Outcome[]): string {
  const missing = outcomes.flatMap(({ path, problem }) => (problem === undefined ? [] : `  ${path}: ${problem}\n`))
  const lacks = missing.length === 0 ? '' : `not there:\n${missing.join('')}`
  return `${file}\n${count} files, without private keys, tokens and the data of Secrets; look through it before you pass it on\n${lacks}`
}
