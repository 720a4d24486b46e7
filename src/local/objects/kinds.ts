import { type KindReader, meshKinds, type Pod, type Service } from '#shared/k8s'
import { podProblems } from '../kubelet/index.ts'

/** What this machine reads of a pod besides what the mesh does. */
interface LocalPod extends Pod {
  readonly graceMs: number
}

/** `clusterIP: None` asks for no address; nothing written asks for one. */
interface LocalService extends Service {
  readonly isHeadless: boolean
}

/** Kubernetes' default. */
const DEFAULT_GRACE_SECONDS = 30
/** Parts of a pod that would silently do nothing here. */
const REFUSED_POD_FIELDS = ['volumes', 'ephemeralContainers', 'hostPID', 'hostIPC']

/** The kinds of a user's folder: the mesh's, with what cannot work on one machine refused by file, line and field. */
export const localKinds: readonly KindReader[] = meshKinds
  .filter(({ kind }) => kind !== 'Node')
  .map((reader) => {
    if (reader.kind === 'Pod') return { ...reader, body: podBody(reader.body) }
    return reader.kind === 'Service' ? { ...reader, body: serviceBody(reader.body) } : reader
  })

export function graceMsOf(pod: Pod): number {
  return (pod as LocalPod).graceMs
}

export function isHeadless(service: Service): boolean {
  return (service as LocalService).isHeadless
}

function podBody(mesh: KindReader['body']): KindReader['body'] {
  return (document, report) => {
    const read = mesh(document, report) as Pick<Pod, 'spec' | 'status'>
    const written = (document.spec ?? {}) as Readonly<Record<string, unknown>>
    for (const { path, problem } of podProblems(read.spec)) report(path, problem)
    for (const field of REFUSED_POD_FIELDS) {
      const value = written[field]
      const isGiven = Array.isArray(value) ? value.length > 0 : Boolean(value)
      if (isGiven) report(['spec', field], 'is not supported on one machine')
    }
    const policy = written.restartPolicy ?? 'Always'
    if (policy !== 'Always') report(['spec', 'restartPolicy'], 'must be Always on one machine')
    const seconds = written.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS
    const isGood = typeof seconds === 'number' && Number.isInteger(seconds) && seconds >= 0 && seconds <= 86_400
    if (!isGood) report(['spec', 'terminationGracePeriodSeconds'], 'must be a whole number from 0 to 86400')
    return { ...read, graceMs: isGood ? seconds * 1000 : 0 }
  }
}

function serviceBody(mesh: KindReader['body']): KindReader['body'] {
  return (document, report) => {
    const written = (document.spec ?? {}) as Readonly<Record<string, unknown>>
    if (written.type !== undefined && written.type !== 'ClusterIP')
      report(['spec', 'type'], 'must be ClusterIP on one machine')
    return { ...mesh(document, report), isHeadless: written.clusterIP === 'None' }
  }
}
