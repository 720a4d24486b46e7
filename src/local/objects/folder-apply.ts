import type { Clock, Timer } from '#shared/clock'
import { isRecord } from '#shared/document'
import { reasonOf } from '#shared/errors'
import { type KubeObject, type ObjectProblem, objectKey, type Pod } from '#shared/k8s'
import type { Closer } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'
import { ApiError, type ApiObject, type ObjectAccess, type ObjectRef } from '../apiserver/index.ts'
import type { Desired, DesiredObjects } from './desired.ts'
import { documentOf, folderKinds } from './kinds.ts'

export interface FolderApplySettings {
  readonly access: ObjectAccess
  readonly desired: DesiredObjects
  readonly clock: Clock
  readonly logger: Logger
  /** After each round of writes. */
  readonly changed: () => void
}

/** Where the commands of a pod run that came from a folder of YAML. */
export const POD_FOLDER = 'ambit.dev/folder'

const MANAGER = 'ambit-up'
/** What others need comes first. */
const ORDER = [
  'Namespace',
  'ServiceAccount',
  'ConfigMap',
  'Secret',
  'Service',
  'EndpointSlice',
  'PeerAuthentication',
  'AuthorizationPolicy',
  'Pod',
] as const
const RETRY_MS = 1_000

/** One object of the folders, and what was last written of it. */
interface Applied {
  readonly ref: ObjectRef
  readonly text: string
  /** Of a pod: what cannot change while it lives. */
  readonly fixed: string
}

/**
 * Brings the API to what the folders say, as `kubectl apply` would each time a file changes: what users change there by
 * other ways stays until its file changes. What leaves the folders is deleted. A pod whose spec changes is replaced.
 */
export class FolderApply implements Closer {
  readonly #settings: FolderApplySettings
  readonly #applied = new Map<string, Applied>()
  readonly #watches: readonly { stop(): void }[]
  #problems: readonly ObjectProblem[] = []
  #round: Promise<void> | undefined
  #isStale = false
  #isSettled = false
  #isClosed = false
  #timer: Timer | undefined

  constructor(settings: FolderApplySettings) {
    this.#settings = settings
    // A pod may wait for another of its name to go, or for its account.
    this.#watches = ['pods', 'serviceaccounts', 'namespaces'].map((resource) =>
      settings.access.watch({ group: '', resource, namespace: '' }, ({ type }) => {
        if (!this.#isSettled && type !== 'MODIFIED') this.notice()
      }),
    )
  }

  /** Everything of the folders has been written. */
  get isSettled(): boolean {
    return this.#isSettled
  }

  get problems(): readonly ObjectProblem[] {
    return this.#problems
  }

  /** The folders changed: write soon. */
  notice(): void {
    this.#isSettled = false
    if (this.#isClosed) return
    this.#isStale = true
    this.#timer?.cancel()
    this.#round ??= this.#work()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const watch of this.#watches) watch.stop()
    await this.#round
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    // The caller must see the round before it ends.
    await Promise.resolve()
    let outcome: { readonly problems: readonly ObjectProblem[]; readonly isWaiting: boolean }
    do {
      this.#isStale = false
      outcome = await this.#applyAll()
    } while (this.#isStale && !this.#isClosed)
    this.#problems = outcome.problems
    this.#isSettled = outcome.problems.length === 0 && !outcome.isWaiting
    this.#round = undefined
    if (!this.#isSettled && !this.#isClosed) this.#timer = this.#settings.clock.setTimer(RETRY_MS, () => this.notice())
    this.#settings.changed()
  }

  async #applyAll(): Promise<{ readonly problems: readonly ObjectProblem[]; readonly isWaiting: boolean }> {
    const problems: ObjectProblem[] = []
    let isWaiting = false
    const wanted = new Set<string>()
    for (const kind of ORDER) {
      const objects: readonly Desired<KubeObject>[] = this.#settings.desired.list(kind)
      await Promise.all(
        objects.map(async (each) => {
          wanted.add(idOf(each.object))
          const problem = await this.#apply(each).catch(reasonOf)
          if (problem === WAITS) isWaiting = true
          else if (problem !== '') problems.push(problemOf(each.object, problem))
        }),
      )
    }
    const leaving = [...this.#applied].filter(([id]) => !wanted.has(id)).reverse()
    for (const [id, { ref }] of leaving) {
      this.#applied.delete(id)
      await this.#delete(ref).catch((error: unknown) => {
        this.#settings.logger.error('what left the folder cannot be deleted', { id, reason: reasonOf(error) })
      })
    }
    return { problems, isWaiting }
  }

  /** @returns what is wrong; empty when nothing is, `WAITS` when it must be tried again */
  async #apply({ object, folder }: Desired<KubeObject>): Promise<string> {
    const { access } = this.#settings
    const id = idOf(object)
    const ref = refOf(object)
    const manifest = manifestOf(object, folder)
    const next: Applied = { ref, text: JSON.stringify(manifest), fixed: fixedOf(object, folder) }
    const before = this.#applied.get(id)
    if (before?.text === next.text) return ''
    const current = access.get(ref)
    const bar = barOf(object, access)
    const isReplaced = before !== undefined && before.fixed !== next.fixed && current !== undefined
    if (bar !== '') return isReplaced ? `${bar}; the old one stays` : bar
    if (current?.metadata.deletionTimestamp !== undefined) return WAITS
    if (isReplaced) {
      await this.#delete(ref)
      return WAITS
    }
    await access.patch(ref, 'apply', manifest, { fieldManager: MANAGER })
    this.#applied.set(id, next)
    return ''
  }

  async #delete(ref: ObjectRef): Promise<void> {
    try {
      await this.#settings.access.delete(ref, { propagationPolicy: 'Background' })
    } catch (error) {
      if (!(error instanceof ApiError && error.status.reason === 'NotFound')) throw error
    }
  }
}

const WAITS = 'waits for the old one to go'

/** Why an object cannot be written yet, in words for who keeps a folder. */
function barOf(object: KubeObject, access: ObjectAccess): string {
  const { namespace } = object.metadata
  const has = (resource: string, within: string, name: string): boolean =>
    access.get({ group: '', resource, namespace: within, name }) !== undefined
  if (namespace !== '' && !has('namespaces', '', namespace))
    return `there is no Namespace ${namespace}; add one to the folder`
  if (object.kind !== 'Pod') return ''
  const { serviceAccountName, nodeName } = (object as Pod).spec
  if (serviceAccountName !== 'default' && !has('serviceaccounts', namespace, serviceAccountName))
    return `there is no ServiceAccount ${namespace}/${serviceAccountName}; add one to the folder`
  if (nodeName !== '' && !has('nodes', '', nodeName)) return `there is no node ${nodeName}`
  return ''
}

function manifestOf(object: KubeObject, folder: string): ApiObject {
  const { apiVersion, kind, metadata, status: _, ...rest } = documentOf(object)
  const { namespace } = object.metadata
  const place = namespace === '' ? {} : { namespace }
  const { resourceVersion: __, uid: ___, creationTimestamp: ____, ...given } = metadata
  const annotations = object.kind === 'Pod' ? { ...given.annotations, [POD_FOLDER]: folder } : given.annotations
  return {
    apiVersion,
    kind,
    metadata: { ...given, ...place, ...(annotations === undefined ? {} : { annotations }) },
    ...rest,
    ...(object.kind === 'Pod' ? { spec: withImages(rest.spec) } : {}),
  }
}

/** An image says nothing of a command of this machine, so who writes for a folder may leave it out; the API wants one. */
function withImages(spec: unknown): unknown {
  if (!isRecord(spec)) return spec
  const named = (['initContainers', 'containers'] as const).flatMap((list) => {
    const containers = spec[list]
    if (!Array.isArray(containers)) return []
    return [[list, containers.map((each: unknown) => (isRecord(each) ? { image: 'ambit/command', ...each } : each))]]
  })
  return { ...spec, ...Object.fromEntries(named) }
}

function fixedOf(object: KubeObject, folder: string): string {
  return object.kind === 'Pod' ? JSON.stringify([folder, documentOf(object).spec]) : ''
}

function refOf(object: KubeObject): ObjectRef {
  const reader = folderKinds.find(({ kind }) => kind === object.kind)
  const { apiVersion } = documentOf(object)
  const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : ''
  const { name, namespace } = object.metadata
  return { group, resource: reader?.resource ?? '', namespace, name }
}

function idOf(object: KubeObject): string {
  return `${object.kind} ${objectKey(object)}`
}

function problemOf(object: KubeObject, problem: string): ObjectProblem {
  return { where: idOf(object), line: undefined, path: '', problem }
}
