import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Whose logs; names of Kubernetes hold no `_`, so the folder's name says all of it. */
export interface PodName {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

/** Folder of one container's log, as a cluster has it below /var/log/pods. */
export function containerLogDir(podLogsDir: string, pod: PodName, container: string): string {
  return join(podLogsDir, folderOf(pod), container)
}

/** To be called when the pod's object is gone; nothing to remove is no error. */
export function removePodLogs(podLogsDir: string, pod: PodName): void {
  rmSync(join(podLogsDir, folderOf(pod)), { recursive: true, force: true })
}

/** Removes what is left of pods that are no more; `uids` are those that are. Called at start. */
export function removeLeftoverLogs(podLogsDir: string, uids: ReadonlySet<string>): void {
  for (const entry of readdirSync(podLogsDir, { withFileTypes: true })) {
    const [, , uid] = entry.name.split('_')
    if (entry.isDirectory() && uid !== undefined && !uids.has(uid)) {
      rmSync(join(podLogsDir, entry.name), { recursive: true, force: true })
    }
  }
}

function folderOf({ namespace, name, uid }: PodName): string {
  return `${namespace}_${name}_${uid}`
}
