import { createReadStream, existsSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import type { MeshStatus } from '#shared/control'
import { MeshError } from '#shared/errors'
import { ControlClient } from '../client/index.ts'
import { stateOf, withState } from './options.ts'

interface LogsOptions {
  readonly state: string
  readonly namespace?: string
  readonly container?: string
  readonly node?: string
  readonly follow?: boolean
}

export function addLogs(program: Command): void {
  withState(program.command('logs'))
    .description('show the log of a program (istiod-lite, node-agent, ztunnel, supervisor), or of a pod with -n')
    .argument('<name>', 'program, or pod')
    .option('-n, --namespace <name>', 'namespace of the pod')
    .option('-c, --container <name>', 'container of the pod')
    .option('--node <name>', 'node of the program')
    .option('-f, --follow', 'go on until Ctrl-C')
    .action(async (name: string, options: LogsOptions) => {
      const file = await fileOf(name, options)
      await show(file, 0)
      if (options.follow === true) await follow(file)
    })
}

/** The supervisor's own log can be read without it, too: it says why a mesh did not come up. */
async function fileOf(name: string, options: LogsOptions): Promise<string> {
  const stateDir = stateOf(options)
  const own = join(stateDir, 'logs', 'supervisor.log')
  if (name === 'supervisor' && options.namespace === undefined && existsSync(own)) return own
  return logFile(await new ControlClient(stateDir).status(), name, options)
}

function logFile(status: MeshStatus, name: string, { namespace, container, node }: LogsOptions): string {
  const program = status.programs.find((each) => each.name === name && (node === undefined || each.node === node))
  if (namespace === undefined && program !== undefined) return program.log
  const pod = status.pods.find((each) => each.name === name && each.namespace === (namespace ?? 'default'))
  const found = pod?.containers.find((each) => container === undefined || each.name === container)
  if (found !== undefined) return found.log
  if (pod !== undefined && container === undefined)
    throw new MeshError('NOT_FOUND', `pod ${pod.namespace}/${name} has not been started: ${pod.reason || pod.phase}`)
  throw new MeshError('NOT_FOUND', `there is no such program, pod or container; "ambit status" lists them`)
}

/** @returns how far the file has been shown */
async function show(file: string, from: number): Promise<number> {
  const stream = createReadStream(file, { start: from })
  await pipeline(stream, process.stdout, { end: false })
  return from + stream.bytesRead
}

/** Until a signal ends this process. A file that was cut is shown from its beginning. */
async function follow(file: string): Promise<void> {
  let shown = statSync(file).size
  for await (const _ of changesOf(file)) {
    const { size } = statSync(file)
    shown = await show(file, size < shown ? 0 : shown)
  }
}

async function* changesOf(file: string): AsyncGenerator<void> {
  let wake = (): void => {}
  let isChanged = false
  const watcher = watch(file, () => {
    isChanged = true
    wake()
  })
  try {
    for (;;) {
      if (!isChanged) await new Promise<void>((resolve) => (wake = resolve))
      isChanged = false
      yield
    }
  } finally {
    watcher.close()
  }
}
