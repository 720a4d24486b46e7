import type { Clock, Timer } from '#shared/clock'
import { isRecord } from '#shared/document'
import { reasonOf } from '#shared/errors'
import { type KubeObject, type ObjectProblem, objectKey, type Pod } from '#shared/k8s'
import type { Closer } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'
import { ApiError, type ApiObject, type ObjectAccess, type ObjectRef } from '../apiserver/index.ts'
import { type AppliedMark, FOLDER_MANAGER, isUsersOwn, markOf, readMark, withMark } from './applied-mark.ts'
import type { Desired, DesiredObjects } from './desired.ts'
import { documentOf, folderKinds } from './kinds.ts'

export interface FolderApplySettings {
  readonly access: ObjectAccess
  /** Everything that is in a namespace, of any kind. */
  readonly objectsIn: (namespace: string) => readonly ApiObject[]
  readonly desired: DesiredObjects
  readonly clock: Clock
  readonly logger: Logger
  /** After each round of writes. */
  readonly changed: () => void
}

/** Where the commands of a pod run that came from a folder of YAML. */
export const POD_FOLDER = 'ambit.dev/folder'

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
  'ServiceEntry',
  'WorkloadEntry',
  'Pod',
] as const
const RETRY_MS = 1_000

/** One object of the folders, and what was last written of it. */
interface Applied {
  readonly ref: ObjectRef
  readonly mark: AppliedMark
}

/**
 * Brings the API to what the folders say, as `kubectl apply` would each time a file changes: what users change there by
 * other ways stays until its file changes. What leaves the folders is deleted, also what left them between two lives of
 * the mesh; a namespace stays while something is in it that no folder has brought. A pod whose spec changes is replaced.
 */
export class FolderApply implements Closer {
  readonly #settings: FolderApplySettings
  readonly #applied = new Map<string, Applied>()
  readonly #watches: readonly { stop(): void }[]
  /** What an earlier life of the mesh has written; undefined: not looked for yet. */
  #earlier: Map<string, Applied> | undefined
  #problems: readonly ObjectProblem[] = []
  #round: Promise<void> | undefined
  /** Until all folders have been read once, what they do not hold means nothing. */
  #isBegun = false
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

  /** All folders have been read: write what they hold. */
  begin(): void {
    this.#isBegun = true
    this.notice()
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
    if (this.#isClosed || !this.#isBegun) return
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
    this.#earlier ??= this.#writtenEarlier()
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
    for (const id of this.#applied.keys()) this.#earlier.delete(id)
    // A file that cannot be read is no reason to delete what an earlier life took from it.
    const isAllKnown = this.#settings.desired.isComplete
    for (const applied of isAllKnown ? [this.#applied, this.#earlier] : [this.#applied]) {
      for (const [id, { ref }] of [...applied].filter(([each]) => !wanted.has(each)).reverse()) {
        applied.delete(id)
        await this.#leave(id, ref)
      }
    }
    return { problems, isWaiting }
  }

  /** @returns what is wrong; empty when nothing is, `WAITS` when it must be tried again */
  async #apply({ object, folder }: Desired<KubeObject>): Promise<string> {
    const { access } = this.#settings
    const id = idOf(object)
    const ref = refOf(object)
    const manifest = manifestOf(object, folder)
    const mark = markOf(manifest, fixedOf(object, folder))
    const before = this.#applied.get(id)?.mark ?? this.#earlier?.get(id)?.mark
    if (before?.manifest === mark.manifest) {
      this.#applied.set(id, { ref, mark })
      return ''
    }
    const current = access.get(ref)
    const bar = barOf(object, access)
    const isReplaced = before !== undefined && before.fixed !== mark.fixed && current !== undefined
    if (bar !== '') return isReplaced ? `${bar}; the old one stays` : bar
    if (current?.metadata.deletionTimestamp !== undefined) return WAITS
    if (isReplaced) {
      await this.#delete(ref)
      return WAITS
    }
    await access.patch(ref, 'apply', withMark(manifest, mark), { fieldManager: FOLDER_MANAGER })
    this.#applied.set(id, { ref, mark })
    return ''
  }

  #writtenEarlier(): Map<string, Applied> {
    const earlier = new Map<string, Applied>()
    for (const kind of ORDER) {
      const place = placeOf(kind)
      for (const object of this.#settings.access.list({ ...place, namespace: '' }).items) {
        const mark = readMark(object)
        const { name, namespace = '' } = object.metadata
        const key = namespace === '' ? name : `${namespace}/${name}`
        if (mark !== undefined) earlier.set(`${kind} ${key}`, { ref: { ...place, namespace, name }, mark })
      }
    }
    return earlier
  }

  /** What left the folders goes. Never rejects. */
  async #leave(id: string, ref: ObjectRef): Promise<void> {
    const { logger, objectsIn } = this.#settings
    const kept = ref.resource === 'namespaces' ? objectsIn(ref.name).find(isUsersOwn) : undefined
    if (kept !== undefined) {
      const holds = `${kept.kind} ${kept.metadata.name}`
      logger.warn('a namespace left the folder, and stays because something else is in it', { id, holds })
      return
    }
    await this.#delete(ref).catch((error: unknown) => {
      logger.error('what left the folder cannot be deleted', { id, reason: reasonOf(error) })
    })
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
  const { name, namespace } = object.metadata
  return { ...placeOf(object.kind), namespace, name }
}

function placeOf(kind: string): { readonly group: string; readonly resource: string } {
  const reader = folderKinds.find((each) => each.kind === kind)
  if (reader === undefined) throw new TypeError(`folders hold no ${kind}`)
  const [apiVersion] = reader.apiVersions
  return { group: apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '', resource: reader.resource }
}

function idOf(object: KubeObject): string {
  return `${object.kind} ${objectKey(object)}`
}

function problemOf(object: KubeObject, problem: string): ObjectProblem {
  return { where: idOf(object), line: undefined, path: '', problem }
}
