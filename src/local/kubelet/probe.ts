import type { Socket } from 'node:net'
import { formatSocketAddress, type IpAddress, parseIp } from '#shared/net'
import type { Command } from '../host/index.ts'
import type { ProbeCheck } from '../pod-plan/index.ts'
import { askCommand, TOO_LATE } from './probe-exec.ts'
import { askHealth } from './probe-grpc.ts'
import { askHttp } from './probe-http.ts'

/** Opens a connection from the node to the pod; the probe closes it. */
export type Dial = (ip: IpAddress, port: number) => Socket

/** Whom a probe asks. */
export interface SocketTarget {
  readonly ip: IpAddress
  readonly dial: Dial
}

export interface ProbeTarget extends SocketTarget {
  /** A command beside the container's own; undefined while that does not run. */
  readonly command: (argv: readonly string[]) => Command | undefined
}

export type SocketCheck = Exclude<ProbeCheck, { readonly kind: 'exec' }>

/**
 * Asks once.
 *
 * @param signal ends it: then the answer is that there was none in time
 * @returns undefined when all is well, else why not
 */
export async function askOnce(
  check: ProbeCheck,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (check.kind !== 'exec') return askPort(check, target, signal)
  if (signal.aborted) return TOO_LATE
  const command = target.command(check.argv)
  return command === undefined ? 'the container does not run yet' : askCommand(command, signal)
}

/** The same for what needs no command. */
export async function askPort(
  check: SocketCheck,
  target: SocketTarget,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (signal.aborted) return TOO_LATE
  const host = check.kind === 'grpc' ? undefined : check.host
  const ip = host === undefined ? target.ip : parseIp(host)
  if (ip === undefined) return `host ${host} is no IP address, and names are not looked up for probes`
  try {
    return await askSocket(check, target.dial(ip, check.port), { host: ip, port: check.port }, signal)
  } catch (error) {
    // A socket that cannot even be made, as the node has none left.
    return (error as Error).message
  }
}

function askSocket(
  check: SocketCheck,
  socket: Socket,
  { host, port }: { readonly host: IpAddress; readonly port: number },
  signal: AbortSignal,
): Promise<string | undefined> {
  const authority = formatSocketAddress({ ip: host, port })
  return new Promise((resolve) => {
    const answer = (reason: string | undefined): void => {
      signal.removeEventListener('abort', late)
      socket.destroy()
      resolve(reason)
    }
    const late = (): void => answer(TOO_LATE)
    signal.addEventListener('abort', late)
    socket.on('error', (error) => answer(error.message))
    try {
      if (check.kind === 'tcp') socket.once('connect', () => answer(undefined))
      else if (check.kind === 'http') askHttp(check, socket, authority, answer)
      else askHealth(check.service, socket, authority, answer)
    } catch (error) {
      // A path or a header that cannot be sent.
      answer((error as Error).message)
    }
  })
}
