import { writeFileSync } from 'node:fs'
import { SyscallError } from './syscall-error.ts'
import type { Netns } from './types.ts'

/**
 * Sets a parameter of one network namespace: `/proc/sys/net` shows each opener its own.
 *
 * @param name below `/proc/sys/net`, as `ipv4/tcp_migrate_req`
 * @throws MeshError `SYSCALL_FAILED` where /proc/sys is read-only, as in a container without privileges, or the kernel
 *   has no such parameter
 */
export function setNetSysctl(netns: Netns, name: string, value: string): void {
  netns.run(() => {
    try {
      writeFileSync(`/proc/sys/net/${name}`, value)
    } catch (cause) {
      throw new SyscallError(`write /proc/sys/net/${name}`, (cause as NodeJS.ErrnoException).code ?? 'EIO', { cause })
    }
  })
}
