import { MeshError } from '#shared/errors'

/** A message that cannot be read, or could be read in two ways. It ends its connection. */
export class Malformed extends MeshError {
  /** What a client is told; of an endpoint's answer it is 502. */
  readonly status: number

  constructor(reason: string, status = 400) {
    super('REQUEST_MALFORMED', reason)
    this.status = status
  }
}
