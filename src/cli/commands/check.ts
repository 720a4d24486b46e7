import type { Command } from 'commander'
import { sleep, systemClock } from '#shared/clock'
import { duration } from '#shared/config'
import { MeshError } from '#shared/errors'
import {
  apiLines,
  type CheckLine,
  controlPlaneLines,
  failure,
  isPassed,
  machineFacts,
  machineLines,
  meshLines,
  objectLines,
  reportText,
  rightLines,
} from '../checks/index.ts'
import { ControlClient } from '../client/index.ts'
import { ofKind, withOutputFlag, withTargetFlags } from '../flags/index.ts'
import { type DocumentFormat, documentText, readConfigDump } from '../print/index.ts'
import { type Target, withTarget } from '../target/index.ts'
import { type ClusterFlags, type Installation, targetOf } from './options.ts'

interface CheckFlags extends ClusterFlags {
  readonly pre?: boolean
  readonly wait?: boolean
  readonly timeout: number
  readonly output?: DocumentFormat
}

const AGAIN_MS = 500

export function addCheck(program: Command, installation: Installation): void {
  withOutputFlag(withTargetFlags(program.command('check')))
    .description('look at the machine, the API and the mesh: √ well, ‼ a warning, × a failure, each with what to do')
    .option('--pre', 'only what is needed before a mesh can be brought up')
    .option('--wait', 'until nothing fails')
    .option('--timeout <time>', 'longest wait', ofKind(duration), 60_000)
    .action(async (flags: CheckFlags) => {
      const { terminal } = installation
      const untilMs = systemClock.monotonicMs() + (flags.wait === true ? flags.timeout : 0)
      let lines = await checkLines(flags, installation)
      while (!isPassed(lines) && systemClock.monotonicMs() < untilMs) {
        await sleep(systemClock, AGAIN_MS)
        lines = await checkLines(flags, installation)
      }
      const { output } = flags
      const document = { passed: isPassed(lines), checks: lines }
      terminal.stdout.write(output === undefined ? reportText(lines) : documentText(output, document))
      terminal.exitCode = isPassed(lines) ? 0 : 1
    })
}

/** Everything that can be looked at from here, a cluster that is missing included. */
export async function checkLines(
  flags: Pick<CheckFlags, keyof ClusterFlags | 'pre'>,
  installation: Installation,
): Promise<readonly CheckLine[]> {
  const machine = (): readonly CheckLine[] => machineLines(machineFacts(installation.path))
  if (flags.pre === true) return machine()
  let target: Target
  try {
    target = targetOf(installation, flags)
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    return [...machine(), failure('mesh', error.message, '"ambit check --pre" looks at the machine only.')]
  }
  const { stateDir } = target
  // A cluster that is elsewhere does not need this machine to be able to run a mesh.
  return stateDir === undefined ? clusterLines(target) : [...machine(), ...(await ownMeshLines(target, stateDir))]
}

function clusterLines(target: Target): Promise<readonly CheckLine[]> {
  return withTarget(target, undefined, async ({ connection, from }) => {
    const api = await apiLines(connection, from)
    if (!isPassed(api)) return api
    return [...api, ...(await controlPlaneLines(connection)), ...(await rightLines(connection))]
  })
}

async function ownMeshLines(target: Target, stateDir: string): Promise<readonly CheckLine[]> {
  const client = new ControlClient(stateDir)
  const [api, status] = await Promise.all([
    withTarget(target, undefined, ({ connection, from }) => apiLines(connection, from)),
    client.status(),
  ])
  const [objects, ...dumps] = await Promise.all([
    unlessAway(client.istiodPage('/debug/problems')),
    ...status.nodes.map(({ name }) => unlessAway(client.tunnelPage(name, '/config_dump'))),
  ])
  const nodes = status.nodes.map(({ name: node }, i) => {
    const dump = dumps[i]
    return { node, dump: dump === undefined ? undefined : readConfigDump(dump) }
  })
  return [...api, ...meshLines(status, nodes, systemClock.nowMs()), ...objectLines(objects)]
}

/** Undefined: the program does not answer, which is one of the things to tell. */
async function unlessAway(page: Promise<string>): Promise<string | undefined> {
  try {
    return await page
  } catch (error) {
    if (error instanceof MeshError) return undefined
    throw error
  }
}
