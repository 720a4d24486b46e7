import type { AddressInfo, Server } from 'node:net'
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { type Clock, systemClock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import {
  ControlClient,
  claimFolder,
  endMesh,
  GOOD_END,
  keepApiPort,
  type Launched,
  type LaunchSettings,
  lastApiPort,
  launchSupervisor,
  listenOnLoopback,
  removePassing,
  runningProcesses,
} from '../client/index.ts'
import { collect, DEFAULT_STATE, type Installation, stateOf, withState } from './options.ts'
import { podTable } from './pod-table.ts'
import { whatStays } from './what-stays.ts'

interface UpOptions {
  readonly state: string
  readonly detach?: boolean
  readonly nodes: number
  /** Undefined: the one of the life before, or any free one. */
  readonly apiPort?: number
  readonly demo?: boolean
  readonly file: readonly string[]
  readonly images?: string
  readonly env: readonly string[]
}

const SOCKET_LOOK_MS = 10
const SAME_SIGNAL_MS = 300
const DETACH_PATIENCE_MS = 60_000

export function addUp(program: Command, installation: Installation): void {
  withState(program.command('up'))
    .description('bring a mesh up on this machine; in the foreground, Ctrl-C takes it down again')
    .option('-d, --detach', 'come back when everything is ready, and leave the mesh running')
    .option('--nodes <count>', 'how many nodes', readCount, 2)
    .option(
      '--api-port <port>',
      'port of the Kubernetes API on 127.0.0.1; 0 = any free one (default: the one of the last time when it is free)',
      readPort,
    )
    .option('--demo', 'run the sample shop (the default without -f)')
    .option('--no-demo', 'run no samples')
    .option('-f, --file <dir>', 'folder of Kubernetes YAML, watched for changes; may be repeated', collect, [])
    .option('--images <file>', 'YAML file that says which command of this machine stands for which image')
    .option(
      '--env <program:name=value>',
      'environment of one program, e.g. ztunnel:SECRET_TTL=20s; may be repeated',
      collect,
      [],
    )
    .action((options: UpOptions) => up(options, installation))
}

async function up(options: UpOptions, installation: Installation): Promise<void> {
  const stateDir = stateOf(options)
  if (runningProcesses(stateDir).length > 0) {
    process.stdout.write(`a mesh is already up in ${stateDir}: see "ambit status"; "ambit down" ends it\n`)
    return
  }
  // What a crashed mesh left beside its objects and keys is of no use.
  removePassing(stateDir)
  const { api, port } = await openDoor(options.apiPort, lastApiPort(stateDir))
  const startedAt = new Date(systemClock.nowMs()).toISOString()
  // From here to the running supervisor nothing is awaited, so a signal finds either nothing or all of it.
  const ending = endOnSignal(options.state, stateDir, systemClock)
  claimFolder(stateDir, startedAt)
  keepApiPort(stateDir, port)
  const isDemo = options.demo ?? options.file.length === 0
  const folders = [...options.file.map((folder) => resolve(folder)), ...(isDemo ? [installation.demoDir] : [])]
  const isDetached = options.detach === true
  const { nodes, env: programEnv } = options
  const images = options.images === undefined ? undefined : resolve(options.images)
  const launched = launch({ stateDir, startedAt, nodes, api, folders, images, programEnv, isDetached, ...installation })
  let isGone = false
  const ended = launched.ended.then((text) => Promise.reject(new MeshError('COMMAND_FAILED', text)))
  try {
    const patience = isDetached ? giveUp(systemClock) : []
    await Promise.race([followProgress(stateDir, () => isGone || ending.hasBegun()), ended, ...patience])
  } catch (error) {
    if (ending.hasBegun()) return ending.done
    if (error instanceof NotReadyInTime) {
      launched.release()
      throw error
    }
    // The log stays for who wants to know more; the next "up" clears it away.
    isGone = true
    await endMesh(stateDir, systemClock, () => true)
    throw error
  }
  if (ending.hasBegun()) return ending.done
  const status = await new ControlClient(stateDir).status()
  const suffix = options.state === DEFAULT_STATE ? '' : ` --state ${options.state}`
  process.stdout.write(`\n${podTable(status.pods)}${hints(isDemo, installation.command, suffix)}`)
  if (isDetached) return launched.release()
  process.stdout.write('\nCtrl-C takes the mesh down.\n')
  const end = await Promise.race([launched.ended, ending.done])
  if (ending.hasBegun()) return ending.done
  removePassing(stateDir)
  // "ambit down" from elsewhere is as good an end as Ctrl-C here; it tells what stays.
  if (end === GOOD_END) return void process.stdout.write('the mesh was taken down\n')
  throw new MeshError('COMMAND_FAILED', `the mesh ended by itself: ${end}`)
}

/** A mesh that is up, but not ready, and is left so that one can see why. */
class NotReadyInTime extends MeshError {}

/** Who detaches wants an answer; in the foreground one sees what is waited for. */
function giveUp(clock: Clock): readonly Promise<never>[] {
  const { promise, reject } = Promise.withResolvers<never>()
  const text = `the mesh is not ready after ${DETACH_PATIENCE_MS / 1000} s; "ambit status" says why, "ambit down" ends it`
  clock.setTimer(DETACH_PATIENCE_MS, () => reject(new NotReadyInTime('COMMAND_FAILED', text)))
  return [promise]
}

/** A mesh that could not even be started leaves no claim behind. */
function launch(settings: LaunchSettings): Launched {
  try {
    return launchSupervisor(settings)
  } catch (error) {
    removePassing(settings.stateDir)
    throw error
  }
}

/**
 * Kubeconfigs that were copied go on working when the API comes back at the port that it had.
 * @throws MeshError `COMMAND_FAILED` when a port that was asked for is taken
 */
async function openDoor(
  asked: number | undefined,
  last: number | undefined,
): Promise<{ readonly api: Server; readonly port: number }> {
  let api: Server
  try {
    api = await listenOnLoopback(asked ?? last ?? 0)
  } catch (error) {
    if (asked !== undefined || last === undefined) throw error
    api = await listenOnLoopback(0)
    process.stdout.write(`! port ${last} of the last time is taken: kubeconfigs copied from there need the new port\n`)
  }
  return { api, port: (api.address() as AddressInfo).port }
}

/** Ctrl-C, a hang-up or a kill takes the mesh down; a second one does not wait. */
function endOnSignal(
  state: string,
  stateDir: string,
  clock: Clock,
): { readonly done: Promise<void>; hasBegun(): boolean } {
  const { promise: done, resolve: finish, reject } = Promise.withResolvers<void>()
  // Who waits for it hears of it; nobody else needs to.
  done.catch(() => {})
  let firstMs: number | undefined
  let isHurried = false
  // A terminal that is gone takes no text; the mesh is taken down all the same.
  process.stdout.on('error', () => {})
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const nowMs = clock.monotonicMs()
      // One Ctrl-C may come several times: from the terminal, from npm, and from the launcher.
      if (firstMs !== undefined) isHurried ||= nowMs - firstMs > SAME_SIGNAL_MS
      if (firstMs !== undefined) return
      firstMs = nowMs
      process.stdout.write('\ntaking the mesh down (again: at once) …\n')
      endMesh(stateDir, clock, () => isHurried)
        .then(() => {
          removePassing(stateDir)
          process.stdout.write(`the mesh is down\n${whatStays(state, stateDir)}`)
          finish()
        })
        .catch(reject)
    })
  }
  return { done, hasBegun: () => firstMs !== undefined }
}

/** Prints what happens; returns when everything is ready. @throws MeshError when it cannot be */
async function followProgress(stateDir: string, isEnding: () => boolean): Promise<void> {
  const client = new ControlClient(stateDir)
  for await (const { kind, elapsedMs, text } of eventsOf(client, isEnding)) {
    if (isEnding()) return
    if (kind === 'failed') throw new MeshError('COMMAND_FAILED', text)
    const seconds = (elapsedMs / 1000).toFixed(2).padStart(6)
    process.stdout.write(`${seconds} s  ${kind === 'warning' ? '! ' : ''}${text}\n`)
    if (kind === 'ready') return
  }
  if (isEnding()) return
  throw new MeshError('COMMAND_FAILED', 'the supervisor went away before the mesh was ready')
}

async function* eventsOf(client: ControlClient, isEnding: () => boolean): ReturnType<ControlClient['progress']> {
  while (!isEnding()) {
    try {
      yield* client.progress()
      return
    } catch (error) {
      // What is taken down hangs up on us.
      if (isEnding()) return
      // The socket is there as soon as the supervisor has started; that it never is, its end tells.
      if (!(error instanceof MeshError && error.code === 'NOT_FOUND'))
        throw new Error(reasonOf(error), { cause: error })
      await new Promise<void>((again) => void systemClock.setTimer(SOCKET_LOOK_MS, again, true))
    }
  }
}

function hints(isDemo: boolean, ambit: string, suffix: string): string {
  const lines = isDemo
    ? [
        `${ambit} exec -n shop client${suffix} -- node request.mjs http://web/checkout`,
        `${ambit} exec -n legacy client${suffix} -- node request.mjs http://web.shop/checkout`,
        `${ambit} ztunnel-config connections${suffix}`,
      ]
    : [`${ambit} status${suffix}`, `${ambit} ztunnel-config workloads${suffix}`, `${ambit} logs ztunnel${suffix}`]
  return `\nTry next:\n${lines.map((line) => `  ${line}\n`).join('')}`
}

function readCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > 253)
    throw new InvalidArgumentError('It must be a number from 1 to 253.')
  return count
}

function readPort(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('It must be a number from 0 to 65535.')
  return port
}
