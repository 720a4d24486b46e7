import type { Report } from '#shared/document'
import { configMapKind, type KindReader, type KubeObject, meshKinds, type Pod } from '#shared/k8s'
import type { ApiObject } from '../apiserver/index.ts'
import { type PodRules, podProblems } from '../pod-plan/index.ts'
import { refusedServiceFields } from '../services/index.ts'

/** What pods read; the API looks into it. */
const secretKind: KindReader = { ...configMapKind, kind: 'Secret', resource: 'secrets', body: () => ({}) }

/** The kinds that can be written in a user's folder. */
export const folderKinds: readonly KindReader[] = [...meshKinds, configMapKind, secretKind].filter(
  ({ kind }) => kind !== 'Node',
)

/** The kinds of a user's folder: with what cannot work on one machine refused by file, line and field. */
export function localKinds(rules: PodRules): readonly KindReader[] {
  return folderKinds.map((reader) => withDocument({ ...reader, body: localBody(reader, rules) }))
}

/** A pod of the API, as far as this machine runs such. */
export function localPodKind(rules: PodRules): KindReader {
  return kindOf('Pod', (body) => podBody(body, rules))
}

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

function localBody({ kind, body }: KindReader, rules: PodRules): KindReader['body'] {
  if (kind === 'Pod') return podBody(body, rules)
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

function podBody(mesh: KindReader['body'], rules: PodRules): KindReader['body'] {
  return (document, report) => {
    // Mesh and machine read some fields both, and shall not tell of them twice.
    const told = new Set<string>()
    const once: Report = (path, problem) => {
      const at = JSON.stringify(path)
      if (!told.has(at)) report(path, problem)
      told.add(at)
    }
    const read = mesh(document, once) as Pick<Pod, 'spec' | 'status'>
    for (const { path, problem } of podProblems(document.spec ?? {}, rules)) once(path, problem)
    return read
  }
}
