import { isRecord } from '#shared/document'
import { type KindReader, type KubeObject, meshKinds, type Pod } from '#shared/k8s'
import type { ApiObject } from '../apiserver/index.ts'
import { podProblems } from '../kubelet/index.ts'
import { refusedServiceFields } from '../services/index.ts'

/** Parts of a pod that would silently do nothing here. */
const REFUSED_POD_FIELDS = ['volumes', 'ephemeralContainers', 'hostPID', 'hostIPC']
/** Put into each pod by the API; nothing of it is mounted here yet. */
const TOKEN_VOLUME = 'kube-api-access-'

/** The kinds of a user's folder: the mesh's, with what cannot work on one machine refused by file, line and field. */
export const localKinds: readonly KindReader[] = meshKinds
  .filter(({ kind }) => kind !== 'Node')
  .map((reader) => withDocument({ ...reader, body: localBody(reader) }))

/** A pod of the API, as far as this machine runs such. */
export const localPodKind: KindReader = kindOf('Pod', podBody)

/** The object as its user wrote it; only of objects that were read as one of `localKinds`. */
export function documentOf(object: KubeObject): ApiObject {
  const { document } = object as KubeObject & { readonly document?: ApiObject }
  if (document === undefined)
    throw new TypeError(`${object.kind} ${object.metadata.name} was read without its document`)
  return document
}

/** A kind of the mesh, perhaps read otherwise. */
export function kindOf(
  kind: string,
  wrap: (body: KindReader['body']) => KindReader['body'] = (body) => body,
): KindReader {
  const reader = meshKinds.find((each) => each.kind === kind)
  if (reader === undefined) throw new TypeError(`the mesh reads no ${kind}`)
  return { ...reader, body: wrap(reader.body) }
}

function localBody({ kind, body }: KindReader): KindReader['body'] {
  if (kind === 'Pod') return podBody(body)
  return kind === 'Service' ? serviceBody(body) : body
}

function serviceBody(mesh: KindReader['body']): KindReader['body'] {
  return (document, report) => {
    for (const { path, problem } of refusedServiceFields(document.spec)) report(path, problem)
    return mesh(document, report)
  }
}

function withDocument(reader: KindReader): KindReader {
  return { ...reader, body: (document, report) => ({ ...reader.body(document, report), document }) }
}

function podBody(mesh: KindReader['body']): KindReader['body'] {
  return (document, report) => {
    const read = mesh(document, report) as Pick<Pod, 'spec' | 'status'>
    const written = isRecord(document.spec) ? document.spec : {}
    for (const { path, problem } of podProblems(read.spec, written)) report(path, problem)
    for (const field of REFUSED_POD_FIELDS) {
      const value = written[field]
      const isGiven = Array.isArray(value) ? !value.every(isTokenVolume) : Boolean(value)
      if (isGiven) report(['spec', field], 'is not supported on one machine')
    }
    const seconds = written.terminationGracePeriodSeconds ?? 0
    const isGood = typeof seconds === 'number' && Number.isInteger(seconds) && seconds >= 0 && seconds <= 86_400
    if (!isGood) report(['spec', 'terminationGracePeriodSeconds'], 'must be a whole number from 0 to 86400')
    return read
  }
}

function isTokenVolume(volume: unknown): boolean {
  return isRecord(volume) && typeof volume.name === 'string' && volume.name.startsWith(TOKEN_VOLUME)
}
