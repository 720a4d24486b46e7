import { readFileSync } from 'node:fs'
import { failure, libc } from './libc.ts'
import { currentNetns } from './netns.ts'
import { AF_INET } from './sockaddr.ts'
import { trySetOption } from './socket-options.ts'

/** Bits of CapEff (linux/capability.h) that the data path of a node needs. */
const neededCapabilities = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21 } as const

const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000

/**
 * What this process may not do although the mesh's node programs must, as one short phrase each; empty when all is well.
 * Capabilities may be there and still not count (a namespace that belongs to another user), so two calls are tried, too.
 */
export function missingPrivileges(): string[] {
  return [...missingCapabilities(readFileSync('/proc/self/status', 'utf8')), ...refusedCalls()]
}

/** One sentence for people: what is missing and what to do. */
export function privilegeAdvice(missing: readonly string[]): string {
  return (
    `missing privileges: ${missing.join(', ')}; run as root, or as an ordinary user inside "unshare -Urnm", ` +
    'or give the container CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW'
  )
}

/** @param status text of /proc/<pid>/status */
export function missingCapabilities(status: string): string[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return Object.entries(neededCapabilities)
    .filter(([, bit]) => ((effective >> BigInt(bit)) & 1n) === 0n)
    .map(([name]) => name)
}

function refusedCalls(): string[] {
  return [setnsRefusal(), markRefusal()].filter((refusal) => refusal !== undefined)
}

function setnsRefusal(): string | undefined {
  const own = currentNetns()
  try {
    own.run(() => undefined)
    return undefined
  } catch (error) {
    return `entering a network namespace (${error instanceof Error ? error.message : String(error)})`
  } finally {
    own.close()
  }
}

function markRefusal(): string | undefined {
  const fd = libc.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0)
  if (fd < 0) return `opening a socket (${failure('socket').message})`
  const refusal = trySetOption(fd, 'SO_MARK', 1) < 0 ? `marking packets (${failure('SO_MARK').message})` : undefined
  libc.close(fd)
  return refusal
}
