import type { Command } from 'commander'
import { sleep, systemClock } from '#shared/clock'
import { duration } from '#shared/config'
import { MeshError } from '#shared/errors'
import { ControlClient } from '../client/index.ts'
import { ofKind, withOutputFlag } from '../flags/index.ts'
import { type DocumentFormat, documentText } from '../print/index.ts'
import { meshTarget, withTarget } from '../target/index.ts'
import { type Installation, stateOf, withState } from './options.ts'
import { type ShownStatus, statusText } from './status-text.ts'

interface StatusFlags {
  readonly state: string
  readonly output?: DocumentFormat
  readonly wait?: boolean
  readonly timeout: number
}

const AGAIN_MS = 200

export function addStatus(program: Command, { terminal }: Installation): void {
  withOutputFlag(withState(program.command('status')))
    .description('show the Kubernetes API, every program and pod; exit status 0 only when all is ready')
    .option('--wait', 'until all is ready')
    .option('--timeout <time>', 'longest wait', ofKind(duration), 60_000)
    .action(async (flags: StatusFlags) => {
      const { output } = flags
      const status = await ask(flags)
      terminal.stdout.write(output === undefined ? statusText(status) : documentText(output, status))
      if (!status.ready) terminal.exitCode = 1
    })
}

/** The last one when time is up. */
async function ask(flags: StatusFlags): Promise<ShownStatus> {
  const stateDir = stateOf(flags)
  const client = new ControlClient(stateDir)
  const untilMs = systemClock.monotonicMs() + (flags.wait === true ? flags.timeout : 0)
  let status = await client.status()
  while (!status.ready && systemClock.monotonicMs() < untilMs) {
    await sleep(systemClock, AGAIN_MS)
    status = await client.status()
  }
  const target = meshTarget(stateDir)
  return { ...status, api: { server: await serverOf(target), kubeconfig: target.access.files.join() } }
}

/** Empty while the mesh has not got as far as its API. */
async function serverOf(target: ReturnType<typeof meshTarget>): Promise<string> {
  try {
    return await withTarget(target, undefined, async ({ connection }) => connection.server)
  } catch (error) {
    if (error instanceof MeshError && error.code === 'CONFIG_INVALID') return ''
    throw error
  }
}
