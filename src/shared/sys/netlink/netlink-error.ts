import { MeshError } from '#shared/errors'

/** A request over netlink that the kernel refused. */
export class NetlinkError extends MeshError {
  /** What was asked for: `add rule 3 of chain output`. */
  readonly request: string
  /** `EEXIST`, `EPERM`… */
  readonly errno: string

  /** @param detail the kernel's own words, where it gives any */
  constructor(request: string, errno: string, detail?: string) {
    super('NETLINK_REJECTED', `${request}: ${errno}${detail === undefined ? '' : ` (${detail})`}`)
    this.request = request
    this.errno = errno
  }
}
