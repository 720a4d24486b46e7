import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { reasonOf } from '#shared/errors'
import type { IpAddress } from '#shared/net'
import { connectFrom, openNetns } from '#shared/sys'
import { ApiError } from '../apiserver/index.ts'

/** The pod's own loopback, which the mesh leaves alone: the application is reached as its neighbour container would. */
const LOOPBACKS = ['127.0.0.1', '::1'] as IpAddress[]

/** @throws ApiError InternalError when nobody listens there */
export async function connectToLoopback(netnsPath: string, port: number): Promise<Duplex> {
  const problems: string[] = []
  for (const ip of LOOPBACKS) {
    try {
      return await connect(netnsPath, ip, port)
    } catch (error) {
      problems.push(reasonOf(error))
    }
  }
  throw new ApiError('InternalError', `failed to connect to localhost:${port} inside the pod: ${problems.join('; ')}`)
}

async function connect(netnsPath: string, ip: IpAddress, port: number): Promise<Duplex> {
  // Only until the socket is made: it stays in that namespace.
  const netns = openNetns(netnsPath)
  try {
    const socket = connectFrom(netns, { ip, port })
    await once(socket, 'connect')
    return socket
  } finally {
    netns.close()
  }
}
