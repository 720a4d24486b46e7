import { request } from 'node:http'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { type ExecEnd, ExecFrameReader, type ExecRequest, execFrame, openSocketPath } from '#shared/control'
import { MeshError } from '#shared/errors'
import { flushed } from '../print/index.ts'
import { noMesh } from '../target/index.ts'

/** Signals that a terminal or a script sends and that belong to the command, not to this client. */
const FORWARDED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']

/** Input bytes of one frame. */
const CHUNK_BYTES = 64 << 10

/**
 * Runs a command in a pod with this process's input, output and signals.
 * @returns the status to exit with: the command's, or 128 and its signal's number as shells say it
 * @throws MeshError when the command could not be started, with what to do
 */
export async function execInPod(stateDir: string, asked: ExecRequest): Promise<number> {
  const socket = await upgrade(stateDir)
  socket.write(execFrame('request', JSON.stringify(asked)))
  const end = follow(socket)
  sendInput(socket)
  const forward = FORWARDED.map((signal) => {
    const listener = (): void => void socket.write(execFrame('signal', signal))
    process.on(signal, listener)
    return (): void => void process.removeListener(signal, listener)
  })
  try {
    const how = await end
    // Who ends the process next would cut off what a slow reader has not taken yet.
    await Promise.all([process.stdout, process.stderr].map(flushed))
    if (how.kind === 'refused') throw new MeshError('COMMAND_FAILED', how.error)
    return how.kind === 'exited' ? how.code : 128 + (constants.signals[how.signal as NodeJS.Signals] ?? 0)
  } finally {
    for (const stop of forward) stop()
    process.stdin.destroy()
    socket.destroy()
  }
}

function upgrade(stateDir: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    let address: ReturnType<typeof openSocketPath>
    try {
      address = openSocketPath(join(stateDir, 'ambit.sock'))
    } catch {
      return reject(noMesh(stateDir))
    }
    const headers = { host: 'ambit', connection: 'Upgrade', upgrade: 'ambit-exec' }
    const asked = request({ socketPath: address.path, path: '/exec', headers })
    asked.on('upgrade', (_response, socket, head) => {
      address.release()
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    asked.on('error', () => {
      address.release()
      reject(noMesh(stateDir))
    })
    asked.end()
  })
}

/** Writes the command's output as it comes; a slow reader of ours holds it back. */
function follow(socket: Duplex): Promise<ExecEnd> {
  const reader = new ExecFrameReader()
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      for (const { channel, payload } of reader.read(chunk)) {
        if (channel === 'end') resolve(JSON.parse(payload.toString()) as ExecEnd)
        else if (channel === 'stdout') give(socket, process.stdout, payload)
        else if (channel === 'stderr') give(socket, process.stderr, payload)
      }
    })
    const lost = (): void =>
      reject(new MeshError('COMMAND_FAILED', 'the mesh went away while the command ran; see "ambit status"'))
    socket.on('error', lost)
    socket.on('close', lost)
  })
}

function give(from: Duplex, to: NodeJS.WriteStream, bytes: Buffer): void {
  if (to.write(bytes)) return
  from.pause()
  to.once('drain', () => from.resume())
}

function sendInput(socket: Duplex): void {
  process.stdin.on('data', (chunk: Buffer) => {
    let isFull = false
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
      isFull = !socket.write(execFrame('stdin', chunk.subarray(at, at + CHUNK_BYTES)))
    }
    if (!isFull) return
    process.stdin.pause()
    socket.once('drain', () => process.stdin.resume())
  })
  const ended = (): void => {
    if (!socket.destroyed) socket.write(execFrame('stdin', ''))
  }
  process.stdin.once('end', ended)
  process.stdin.once('error', ended)
}
