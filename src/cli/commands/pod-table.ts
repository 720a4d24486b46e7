import type { PodStatus } from '#shared/control'
import { table } from '../print/index.ts'

/** Pods with node, address, service account, and whether they are in the mesh; below it what is to be said of some. */
export function podTable(pods: readonly PodStatus[]): string {
  if (pods.length === 0) return 'No pods.\n'
  const rows = pods.map((pod) => [
    nameOf(pod),
    pod.ready ? 'yes' : 'no',
    pod.node || '-',
    pod.addresses[0] ?? '-',
    pod.enrolled ? accountOf(pod) : '-',
    meshWord(pod),
  ])
  const notes = pods.map((pod): Note => [nameOf(pod), [pod.ready ? '' : pod.reason || pod.phase, restarts(pod)]])
  return table(['POD', 'READY', 'NODE', 'ADDRESS', 'ACCOUNT', 'MESH'], rows) + notesText(notes)
}

/** What is to be said of something; empty parts say nothing. */
export type Note = readonly [about: string, parts: readonly string[]]

/** Sentences below a table, which they would make wider than a terminal. */
export function notesText(notes: readonly Note[]): string {
  return notes
    .map(([about, parts]) => [about, parts.filter((part) => part !== '').join('; ')] as const)
    .filter(([, text]) => text !== '')
    .map(([about, text]) => `  ${about}: ${text}\n`)
    .join('')
}

function nameOf({ namespace, name }: PodStatus): string {
  return `${namespace}/${name}`
}

/** The last part of the identity: trust domain and namespace are the mesh's and the pod's. */
function accountOf({ identity }: PodStatus): string {
  return identity.slice(identity.lastIndexOf('/') + 1)
}

function restarts({ restarts: count }: PodStatus): string {
  if (count === 0) return ''
  return count === 1 ? '1 restart' : `${count} restarts`
}

function meshWord({ enrolled, captured }: PodStatus): string {
  if (enrolled) return captured ? 'yes' : 'not captured'
  return captured ? 'still captured' : 'no'
}
