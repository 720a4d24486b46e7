import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { snapshotName, syncFolder, UNFINISHED } from './folder.ts'
import { stamped } from './object-tables.ts'
import { encodeLine, scanLines } from './record-line.ts'
import type { ApiObject, Revision, StoredObject } from './types.ts'

/** How many objects are turned into text before the rest of the process gets a turn. */
const OBJECTS_A_TURN = 200

type SnapshotLine =
  | { readonly snapshot: 1; readonly revision: Revision; readonly objects: number }
  | {
      readonly resource: string
      readonly namespace: string
      readonly name: string
      readonly revision: Revision
      readonly object: ApiObject
    }
  | { readonly end: number }

export interface Snapshot {
  readonly revision: Revision
  readonly objects: readonly StoredObject[]
}

/**
 * Writes a snapshot beside and renames it when it is whole and on disk.
 *
 * @param ready awaited before the rename: the journal must be as far as the snapshot
 */
export async function writeSnapshot(dir: string, snapshot: Snapshot, ready: Promise<void>): Promise<void> {
  const name = snapshotName(snapshot.revision)
  const unfinished = join(dir, name + UNFINISHED)
  const file = await open(unfinished, 'w', 0o600)
  try {
    await file.write(line({ snapshot: 1, revision: snapshot.revision, objects: snapshot.objects.length }))
    for (let i = 0; i < snapshot.objects.length; i += OBJECTS_A_TURN) {
      const lines = snapshot.objects
        .slice(i, i + OBJECTS_A_TURN)
        .map(({ key, revision, object }) =>
          line({ resource: key.resource, namespace: key.namespace, name: key.name, revision, object }),
        )
      await file.appendFile(lines.join(''))
      await setImmediate()
    }
    await file.appendFile(line({ end: snapshot.objects.length }))
    await file.sync()
  } finally {
    await file.close()
  }
  await ready
  await rename(unfinished, join(dir, name))
  await syncFolder(dir)
}

/** @returns undefined: not every line of it reads */
export async function readSnapshot(path: string): Promise<Snapshot | undefined> {
  let head: { revision: Revision; objects: number } | undefined
  let end: number | undefined
  const objects: StoredObject[] = []
  for (const scanned of scanLines(await readFile(path))) {
    if (scanned.kind === 'bad' || end !== undefined) return undefined
    // The checksum says that it is what this program wrote.
    const value = scanned.value as SnapshotLine
    if ('snapshot' in value) head = value
    else if ('end' in value) end = value.end
    else objects.push(stamped(pick(value), value.object, value.revision))
  }
  if (head === undefined || end !== objects.length || head.objects !== objects.length) return undefined
  return { revision: head.revision, objects }
}

function pick({
  resource,
  namespace,
  name,
}: {
  resource: string
  namespace: string
  name: string
}): StoredObject['key'] {
  return { resource, namespace, name }
}

function line(value: SnapshotLine): string {
  return encodeLine(JSON.stringify(value))
}
