import { request } from 'node:http'
import type { Socket } from 'node:net'
import type { IpAddress } from '#shared/net'

/** How a container says that it can serve (Kubernetes core/v1 Probe; gRPC and exec probes are refused by name). */
export interface ReadinessProbe {
  readonly check:
    | { readonly kind: 'tcp'; readonly port: number }
    | { readonly kind: 'http'; readonly port: number; readonly path: string }
  readonly initialDelayMs: number
  readonly periodMs: number
  readonly timeoutMs: number
  readonly successThreshold: number
  readonly failureThreshold: number
}

/** Opens a connection from the node to the pod; the probe closes it. */
export type Dial = (ip: IpAddress, port: number) => Socket

/** Asks once. @returns undefined when the container is ready, else why it is not */
export function askOnce(
  probe: Pick<ReadinessProbe, 'check' | 'timeoutMs'>,
  ip: IpAddress,
  dial: Dial,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const { check, timeoutMs } = probe
    const socket = dial(ip, check.port)
    const timer = setTimeout(() => answer('no answer in time'), timeoutMs)
    const answer = (reason: string | undefined): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(reason)
    }
    socket.on('error', (error) => answer(error.message))
    if (check.kind === 'tcp') {
      socket.once('connect', () => answer(undefined))
      return
    }
    const headers = {
      host: `${ip.includes(':') ? `[${ip}]` : ip}:${check.port}`,
      'user-agent': 'kube-probe',
      connection: 'close',
    }
    const asked = request({ createConnection: () => socket, path: check.path, headers }, (response) => {
      const status = response.statusCode ?? 0
      response.resume()
      answer(status >= 200 && status < 400 ? undefined : `HTTP status ${status}`)
    })
    asked.on('error', (error) => answer(error.message))
    asked.end()
  })
}
