import { isRecord } from '#shared/document'
import { MeshError, reasonOf } from '#shared/errors'
import { type ApiDocument, isStatus, objectPath, withQuery } from '#shared/kube-client'
import { acceptance, objectName, type ServedResource, untilObject } from '../cluster/index.ts'
import { loadManifests, type Manifest } from '../manifests/index.ts'
import type { ApplyFlags } from './apply-flags.ts'
import type { Session } from './session.ts'

/** Whose the applied fields are. */
export const FIELD_MANAGER = 'ambit'

/** An object as the API has it after the write. */
export interface Applied {
  readonly resource: ServedResource
  /** Its `resourceVersion`. */
  readonly revision: string
  readonly id: { readonly namespace: string; readonly name: string }
  readonly where: string
}

/**
 * Server-side apply of every object, in order; one that is refused does not keep the others away.
 * With `wait`: until controllers have accepted what they have a say in.
 *
 * @returns what the API has taken
 */
export async function apply(session: Session, flags: ApplyFlags): Promise<readonly Applied[]> {
  const { filename, recursive = false } = flags
  if (filename.length === 0) throw new MeshError('COMMAND_FAILED', 'name files, folders or - with -f')
  const { cwd, stdin } = session.terminal
  const manifests = await loadManifests({ names: filename, isRecursive: recursive, cwd, stdin })
  const applied: Applied[] = []
  for (const manifest of manifests) {
    try {
      applied.push(await applyOne(session, manifest, flags))
    } catch (error) {
      if (!(error instanceof MeshError) || error.code === 'KUBE_API_UNREACHABLE') throw error
      session.fail(`${manifest.where}: ${refusalText(error)}`)
    }
  }
  if (flags.wait !== true || flags.dryRun !== undefined) return applied
  const untilMs = session.clock.monotonicMs() + flags.timeout
  for (const each of applied) await waitAccepted(session, each, untilMs)
  return applied
}

async function applyOne(session: Session, manifest: Manifest, flags: ApplyFlags): Promise<Applied> {
  const resource = await resourceFor(session, manifest)
  const id = session.idOf(resource, manifest.name, manifest.namespace || session.namespace)
  const metadata = isRecord(manifest.document.metadata) ? manifest.document.metadata : {}
  const value = resource.namespaced
    ? { ...manifest.document, metadata: { ...metadata, namespace: id.namespace } }
    : manifest.document
  const before = await session.connection.get(resource, id)
  const after = await session.connection.json({
    method: 'PATCH',
    path: withQuery(objectPath(resource, id), {
      fieldManager: FIELD_MANAGER,
      force: flags.forceConflicts === true,
      fieldValidation: 'Strict',
      dryRun: flags.dryRun === 'server' ? 'All' : undefined,
    }),
    body: { contentType: 'application/apply-patch+yaml', value },
  })
  const dry = flags.dryRun === 'server' ? ' (server dry run)' : ''
  session.say(`${objectName(resource, manifest.name)} ${verb(before, after)}${dry}`)
  return { resource, id, where: manifest.where, revision: String(versionOf(after) ?? '') }
}

/** The kind of a manifest; one that a definition before it has just made is found, too. */
async function resourceFor(session: Session, { apiVersion, kind }: Manifest): Promise<ServedResource> {
  for (const isFresh of [false, true]) {
    const resources = await session.resources(isFresh)
    const found = resources.find((each) => each.apiVersion === apiVersion && each.kind === kind)
    if (found !== undefined) return found
  }
  throw new MeshError('NOT_FOUND', `the server has no kind ${kind} in ${apiVersion}; is its definition installed?`)
}

function verb(before: ApiDocument | undefined, after: unknown): string {
  if (before === undefined) return 'created'
  return versionOf(before) === versionOf(after) ? 'unchanged' : 'configured'
}

function versionOf(document: unknown): unknown {
  return isRecord(document) && isRecord(document.metadata) ? document.metadata.resourceVersion : undefined
}

/** A conflict has a way out that is not obvious. */
export function refusalText(error: unknown): string {
  if (!isStatus(error, 409)) return reasonOf(error)
  return `${error.message}; --force-conflicts takes the fields over`
}

async function waitAccepted(session: Session, { resource, id, where }: Applied, untilMs: number): Promise<void> {
  const { clock, connection } = session
  const timeoutMs = Math.max(1, untilMs - clock.monotonicMs())
  try {
    await untilObject(
      connection,
      resource,
      id,
      (object) => (object === undefined ? { kind: 'wait', reason: 'it was deleted meanwhile' } : acceptance(object)),
      { clock, timeoutMs },
    )
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    session.fail(`${where}: ${error.message}`)
  }
}
