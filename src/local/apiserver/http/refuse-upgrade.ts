import type { Duplex } from 'node:stream'
import type { Status } from '../types.ts'

const PHRASES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  503: 'Service Unavailable',
}

/** Answers a request for an upgrade by a Status, and ends the connection. */
export function refuseUpgrade(socket: Duplex, status: Status): void {
  const body = Buffer.from(JSON.stringify(status))
  const head = [
    `HTTP/1.1 ${status.code} ${PHRASES[status.code] ?? 'Error'}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ]
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]))
}
