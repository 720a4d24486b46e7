import { MeshError } from '#shared/errors'
import { parseIp } from '#shared/net'
import { Routes } from '#shared/sys'
import { podUidOf, startTimeOf } from './pod-process.ts'
import { openNetnsOf, type Processes, type ProcessList, processText } from './processes.ts'
import type { SoughtPod } from './resolver.ts'

/** Namespaces by what pods are known by. */
export interface NetnsIndex {
  readonly names: ReadonlyMap<string, readonly string[]>
  /** Namespaces that could not be looked into. */
  readonly unread: number
}

/** By what a pod's namespace is told from the others of the machine. */
export interface FindWay {
  /** What the pod is known by. */
  readonly keysOf: (pod: SoughtPod) => readonly string[]
  readonly index: (processes: Processes, list: ProcessList) => NetnsIndex
}

/** The namespace that has the pod's address; two that have it are for the caller to refuse. */
export const byAddress: FindWay = {
  keysOf: ({ ips }) => ips.flatMap((ip) => parseIp(ip) ?? []),
  index(processes, { byNetns }) {
    const names = new Map<string, string[]>()
    let unread = 0
    for (const [name, pids] of byNetns) {
      try {
        for (const ip of addressesIn(processes, name, pids)) {
          const known = names.get(ip)
          if (known === undefined) names.set(ip, [name])
          else known.push(name)
        }
      } catch (error) {
        // One pod that keeps changing its addresses must not hide those of others.
        if (!(error instanceof MeshError)) throw error
        unread++
      }
    }
    return { names, unread }
  },
}

/**
 * The namespace of the pod's oldest process: a pod may make namespaces of its own for later ones. Whether it is the pod's
 * indeed is for `claim` to say, by its address (istio-control-plane a.2, step 3).
 */
export const byCgroup: FindWay = {
  keysOf: ({ uid }) => [uid],
  index(processes, { byNetns }) {
    const oldest = new Map<string, { readonly name: string; readonly startedAt: number }>()
    for (const [name, pids] of byNetns) {
      if (name === processes.hostNetns || name === processes.ownNetns) continue
      for (const pid of pids) {
        const uid = podUidOf(processText(processes, pid, 'cgroup') ?? '')
        if (uid === undefined) continue
        const startedAt = startTimeOf(processText(processes, pid, 'stat') ?? '')
        const known = oldest.get(uid)
        if (startedAt !== undefined && (known === undefined || startedAt < known.startedAt))
          oldest.set(uid, { name, startedAt })
      }
    }
    return { names: new Map([...oldest].map(([uid, { name }]) => [uid, [name]])), unread: 0 }
  },
}

/** None when its processes have ended. */
function addressesIn(processes: Processes, name: string, pids: readonly number[]): ReadonlySet<string> {
  const netns = openNetnsOf(processes, name, pids)
  try {
    return new Set(netns === undefined ? [] : new Routes(netns).addresses().map(({ ip }) => ip))
  } finally {
    netns?.close()
  }
}
