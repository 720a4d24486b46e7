import { text as textOf } from 'node:stream/consumers'
import { isRecord } from '#shared/document'
import type { ApiDocument, ApiObjectId, ApiResource, KubeConnection } from '#shared/kube-client'
import { openLog, POD, podPage, type ServedResource } from '../cluster/index.ts'
import type { Source } from './collect.ts'
import { redactObject } from './redact-object.ts'

/** Pages of a program of the mesh: port, path, name in the report. */
interface Page {
  readonly port: number
  readonly path: string
  readonly file: string
}

const page = (port: number, path: string, file: string): Page => ({ port, path, file })

/** By the labels that each program's pods have. */
const PROGRAM_PAGES: readonly (readonly [label: string, value: string, pages: readonly Page[]])[] = [
  [
    'app',
    'istiod',
    [
      ...['syncz', 'problems', 'ambientz', 'krtz', 'config'].map((name) =>
        page(15_014, `/debug/${name}`, `${name}.json`),
      ),
      page(15_014, '/metrics', 'metrics.txt'),
    ],
  ],
  ['app', 'ztunnel', [page(15_000, '/config_dump', 'config_dump.json'), page(15_020, '/metrics', 'metrics.txt')]],
  [
    'k8s-app',
    'istio-cni-node',
    [
      page(15_023, '/pods', 'pods.json'),
      page(15_023, '/config', 'config.json'),
      page(15_022, '/metrics', 'metrics.txt'),
    ],
  ],
]
const MAX_FOLDER = 80
/** Lines of a log's end. */
const LOG_LINES = 5000
const LIST_KINDS = ['Node', 'Event', 'EndpointSlice.discovery.k8s.io', 'CustomResourceDefinition.apiextensions.k8s.io']

/** Objects of kinds that are served, one file for each kind. */
export function objectSources(
  connection: Pick<KubeConnection, 'list'>,
  served: readonly ServedResource[],
  kinds: readonly string[],
  meshNamespace: string,
): readonly Source[] {
  const keyOf = ({ kind, group }: ServedResource): string => (group === '' ? kind : `${kind}.${group}`)
  return [...kinds, ...LIST_KINDS].flatMap((key): readonly Source[] => {
    const resource = served.find((each) => keyOf(each) === key)
    if (resource === undefined) return []
    const name = resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`
    return [
      { path: `objects/${name}.json`, keeps: 'head', read: () => objectsText(connection, resource, meshNamespace) },
    ]
  })
}

async function objectsText(
  connection: Pick<KubeConnection, 'list'>,
  resource: ApiResource,
  meshNamespace: string,
): Promise<string> {
  const isBare = resource.kind === 'CustomResourceDefinition'
  const items = (await connection.list(resource)).map((item) => {
    const { metadata } = item
    // Of a definition only that it is there, and in which version, matters here.
    if (isBare) return isRecord(metadata) ? { name: metadata.name, annotations: metadata.annotations } : {}
    return redactObject(item, isRecord(metadata) && metadata.namespace === meshNamespace)
  })
  return `${JSON.stringify(items, null, 1)}\n`
}

/** Logs and dumps of every pod of the mesh's namespace, the dumps first. */
export async function programSources(connection: KubeConnection, namespace: string): Promise<readonly Source[]> {
  const pods = await connection.list(POD, { namespace })
  return [...pods.flatMap((pod) => pageSources(connection, pod)), ...pods.flatMap((pod) => logSources(connection, pod))]
}

function pageSources(connection: KubeConnection, pod: ApiDocument): readonly Source[] {
  const id = idOf(pod)
  const labels = isRecord(pod.metadata) && isRecord(pod.metadata.labels) ? pod.metadata.labels : {}
  const pages = PROGRAM_PAGES.filter(([label, value]) => labels[label] === value).flatMap(([, , list]) => list)
  return pages.map(({ port, path, file }) => ({
    path: `programs/${folderOf(id)}/${file}`,
    keeps: 'head',
    read: () => podPage(connection, id, port, path),
  }))
}

function logSources(connection: KubeConnection, pod: ApiDocument): readonly Source[] {
  const id = idOf(pod)
  const spec = isRecord(pod.spec) ? pod.spec : {}
  const status = isRecord(pod.status) ? pod.status : {}
  const statuses = Array.isArray(status.containerStatuses) ? status.containerStatuses.filter(isRecord) : []
  const containers = [spec.initContainers, spec.containers].flatMap((list) =>
    Array.isArray(list) ? list.filter(isRecord) : [],
  )
  return containers.flatMap(({ name }): readonly Source[] => {
    if (typeof name !== 'string') return []
    const hasRestarted = statuses.some((each) => each.name === name && Number(each.restartCount) > 0)
    return [false, ...(hasRestarted ? [true] : [])].map((previous) => ({
      path: `programs/${folderOf(id)}/${name}${previous ? '.previous' : ''}.log`,
      keeps: 'tail',
      read: (signal) => logText(connection, id, name, previous, signal),
    }))
  })
}

async function logText(
  connection: KubeConnection,
  pod: ApiObjectId,
  container: string,
  previous: boolean,
  signal: AbortSignal,
): Promise<string> {
  const order = {
    pod,
    container,
    previous,
    follow: false,
    timestamps: true,
    tailLines: LOG_LINES,
    sinceSeconds: undefined,
  }
  return textOf(await openLog(connection, order, signal))
}

function idOf({ metadata }: ApiDocument): ApiObjectId {
  const { name, namespace } = isRecord(metadata) ? metadata : {}
  return { name: String(name), namespace: String(namespace) }
}

/** Names of pods may be longer than an archive takes; both ends of one tell which it is. */
function folderOf({ name }: ApiObjectId): string {
  return name.length <= MAX_FOLDER ? name : `${name.slice(0, MAX_FOLDER / 2)}..${name.slice(-MAX_FOLDER / 2)}`
}
