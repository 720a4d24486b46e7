import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** RFC 6455 §1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

export type Handshake =
  | { readonly kind: 'accepted'; readonly protocol: string; readonly answer: string }
  | { readonly kind: 'refused'; readonly problem: string }

/** @param supported subprotocols, the best first; the client must offer one of them */
export function answerHandshake({ method, headers }: IncomingMessage, supported: readonly string[]): Handshake {
  const key = headers['sec-websocket-key'] ?? ''
  if (method !== 'GET') return { kind: 'refused', problem: 'a WebSocket begins with GET' }
  if (headers['sec-websocket-version'] !== '13')
    return { kind: 'refused', problem: 'only WebSocket version 13 is known' }
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key))
    return { kind: 'refused', problem: 'Sec-WebSocket-Key is no 16 bytes of base64' }
  const offered = new Set((headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim()))
  const protocol = supported.find((each) => offered.has(each))
  if (protocol === undefined) {
    return { kind: 'refused', problem: `none of the subprotocols is known; known are ${supported.join(', ')}` }
  }
  const accept = createHash('sha1')
    .update(key + ACCEPT_SUFFIX)
    .digest('base64')
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    `Sec-WebSocket-Protocol: ${protocol}`,
  ]
  return { kind: 'accepted', protocol, answer: `${lines.join('\r\n')}\r\n\r\n` }
}
