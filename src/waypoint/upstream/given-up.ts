import { MeshError } from '#shared/errors'

/** Nobody waits any more. */
export function givenUp(): MeshError {
  return new MeshError('CLIENT_GONE', 'given up while waiting for a connection')
}

export function closing(): MeshError {
  return new MeshError('TUNNEL_POOL_UNAVAILABLE', 'the pool is closing')
}
