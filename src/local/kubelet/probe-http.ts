import { type ClientRequest, request } from 'node:http'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ProbeCheck } from '../pod-plan/index.ts'

type HttpCheck = Extract<ProbeCheck, { readonly kind: 'http' }>

/** Sent unless the probe's own headers say otherwise. */
const OWN_HEADERS: readonly (readonly [string, string])[] = [
  ['user-agent', 'kube-probe/ambit'],
  ['accept', '*/*'],
]

/** Statuses from 200 to 399 are good, as for a kubelet; nothing of the body is looked at. */
export function askHttp(
  check: HttpCheck,
  socket: Socket,
  authority: string,
  answer: (reason: string | undefined) => void,
): void {
  // A kubelet does not verify who answers, either: the certificate is of the pod's own making.
  const carrier = check.isTls ? connectTls({ socket, rejectUnauthorized: false }) : socket
  carrier.on('error', (error) => answer(error.message))
  const asked = request({ createConnection: () => carrier, path: check.path, setHost: false }, (response) => {
    const status = response.statusCode ?? 0
    response.resume()
    answer(status >= 200 && status < 400 ? undefined : `HTTP status ${status}`)
  })
  asked.on('error', (error) => answer(error.message))
  setHeaders(asked, check.headers, authority)
  asked.end()
}

function setHeaders(asked: ClientRequest, given: HttpCheck['headers'], authority: string): void {
  asked.setHeader('connection', 'close')
  for (const [name, value] of [['host', authority] as const, ...OWN_HEADERS]) asked.setHeader(name, value)
  const values = new Map<string, string[]>()
  for (const [name, value] of given) values.set(name, [...(values.get(name) ?? []), value])
  for (const [name, all] of values) asked.setHeader(name, all.length === 1 ? (all[0] ?? '') : all)
}
