import type { Readable } from 'node:stream'
import { type ApiObjectId, type ApiResource, type KubeConnection, objectPath } from '#shared/kube-client'

export const POD: ApiResource = { apiVersion: 'v1', kind: 'Pod', resource: 'pods', namespaced: true }

/** What of a container's log is wanted. */
export interface LogOrder {
  readonly pod: ApiObjectId
  /** Empty: the pod's default one. */
  readonly container: string
  readonly follow: boolean
  /** Of the run before the last one. */
  readonly previous: boolean
  readonly timestamps: boolean
  readonly tailLines: number | undefined
  readonly sinceSeconds: number | undefined
}

export function openLog(connection: KubeConnection, order: LogOrder, signal: AbortSignal): Promise<Readable> {
  const { pod, container, follow, previous, timestamps, tailLines, sinceSeconds } = order
  const query = podQuery({ container, follow, previous, timestamps, tailLines, sinceSeconds })
  const path = objectPath(POD, pod, 'log')
  return connection.stream({ method: 'GET', path: query === '' ? path : `${path}?${query}`, accept: '*/*', signal })
}

type QueryValue = string | number | boolean | readonly string[] | undefined

/** What is empty, false or undefined is what the server takes when it is not given. */
export function podQuery(query: Readonly<Record<string, QueryValue>>): string {
  const given = Object.entries(query).flatMap(([name, value]): [string, string][] => {
    if (value === undefined || value === '' || value === false) return []
    return [value].flat().map((each) => [name, String(each)])
  })
  return new URLSearchParams(given).toString()
}
