import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import { isStatus, objectPath } from '#shared/kube-client'
import { objectName, untilObject } from '../cluster/index.ts'
import { loadManifests } from '../manifests/index.ts'
import type { FileFlags } from './apply-flags.ts'
import { type Selected, type SelectFlags, selectObjects } from './select.ts'
import type { Session } from './session.ts'

export interface DeleteFlags extends SelectFlags, FileFlags {
  readonly ignoreNotFound?: boolean
  readonly wait?: boolean
  readonly timeout: number
  readonly gracePeriod?: number
  readonly now?: boolean
}

/** Deletes what is named, and waits until it is gone unless told not to. */
export async function remove(session: Session, args: readonly string[], flags: DeleteFlags): Promise<void> {
  const chosen =
    flags.filename.length > 0 ? await ofFiles(session, args, flags) : await selectObjects(session, args, flags)
  if (chosen.length === 0) session.terminal.stderr.write('No resources found\n')
  // What does not exist any more when a selector, or a file, named it is as wanted.
  const isFine = flags.ignoreNotFound === true || flags.all === true || flags.selector !== undefined
  const going: (Selected & { readonly uid: unknown })[] = []
  for (const each of chosen) {
    const uid = await removeOne(session, each, flags, isFine)
    if (uid !== undefined) going.push({ ...each, uid })
  }
  if (flags.wait === false) return
  const untilMs = session.clock.monotonicMs() + flags.timeout
  for (const { resource, id, uid } of going) {
    const timeoutMs = Math.max(1, untilMs - session.clock.monotonicMs())
    await untilObject(
      session.connection,
      resource,
      id,
      (object) =>
        object === undefined || uidOf(object) !== uid
          ? { kind: 'done' }
          : { kind: 'wait', reason: 'it is still there' },
      { clock: session.clock, timeoutMs },
    )
  }
}

async function ofFiles(session: Session, args: readonly string[], flags: DeleteFlags): Promise<readonly Selected[]> {
  if (args.length > 0) throw new MeshError('COMMAND_FAILED', 'names do not go together with -f')
  const { cwd, stdin } = session.terminal
  const manifests = await loadManifests({ names: flags.filename, isRecursive: flags.recursive === true, cwd, stdin })
  const resources = await session.resources()
  return manifests.flatMap(({ apiVersion, kind, name, namespace, where }) => {
    const resource = resources.find((each) => each.apiVersion === apiVersion && each.kind === kind)
    if (resource !== undefined) return [{ resource, id: session.idOf(resource, name, namespace || session.namespace) }]
    if (flags.ignoreNotFound !== true) session.fail(`${where}: the server has no kind ${kind} in ${apiVersion}`)
    return []
  })
}

/** @returns the uid of what goes; undefined when nothing does */
async function removeOne(
  session: Session,
  { resource, id }: Selected,
  { gracePeriod, now }: DeleteFlags,
  isAbsenceFine: boolean,
): Promise<unknown> {
  const seconds = now === true ? 1 : gracePeriod
  try {
    const before = await session.connection.get(resource, id)
    await session.connection.json({
      method: 'DELETE',
      path: objectPath(resource, id),
      body: {
        contentType: 'application/json',
        value: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          propagationPolicy: 'Background',
          ...(seconds === undefined ? {} : { gracePeriodSeconds: seconds }),
        },
      },
    })
    session.say(`${objectName(resource, id.name).replace('/', ' "')}" deleted`)
    return uidOf(before)
  } catch (error) {
    if (!isStatus(error, 404)) throw error
    if (!isAbsenceFine) session.fail(error.message)
    return undefined
  }
}

function uidOf(object: unknown): unknown {
  return isRecord(object) && isRecord(object.metadata) ? object.metadata.uid : undefined
}
