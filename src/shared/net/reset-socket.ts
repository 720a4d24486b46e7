import type { Socket } from 'node:net'

/**
 * Closes a TCP socket at once, with RST where that is possible, so that its peer does not take what it got for all.
 *
 * While a FIN is on its way the kernel's handle cannot be reset: Node's `resetAndDestroy` then fails with EINVAL, leaks the
 * handle and never tells 'close'. The peer was to get a whole stream in that case, so an ordinary close is no lie. A socket
 * that is still connecting has nobody to tell, and TLS without its `close_notify` says enough.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return
  const isEnding = socket.writableEnded && !socket.writableFinished
  if (socket.connecting || isEnding || 'encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}
