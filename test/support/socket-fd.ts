import type { Socket } from 'node:net'

/** libuv's descriptor of an open socket; Node gives no documented way to it. */
export function fdOf(socket: Socket | undefined): number {
  return (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })?._handle?.fd ?? -1
}
