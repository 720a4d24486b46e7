import { copyFile, open, readFile, rename, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { type FolderContents, type NumberedFile, readFolder, segmentName, syncFolder } from './folder.ts'
import { History } from './history.ts'
import type { JournalEntry } from './journal-entry.ts'
import { ObjectTables, stamped } from './object-tables.ts'
import { scanLines } from './record-line.ts'
import { readSnapshot, writeSnapshot } from './snapshot.ts'
import type { Revision, StoreDamage, StoreEvent } from './types.ts'

/** Revisions behind damage that may have been given away and can no longer be read. */
const REVISIONS_LEFT_OUT = 1_000_000

/** What the folder holds, ready to be written on. */
export interface Recovered {
  readonly revision: Revision
  readonly tables: ObjectTables
  readonly history: History
  readonly damage: readonly StoreDamage[]
  /** The file to append to. */
  readonly segment: string
}

/** State while the files are read. */
interface Replay {
  revision: Revision
  readonly tables: ObjectTables
  readonly history: History
  readonly damage: StoreDamage[]
}

/**
 * Reads the newest snapshot that is whole, and the journal behind it. The state is always one that was: that of the last
 * record before the first one that cannot be read. A cut off end was never acknowledged and is dropped. Anything else
 * that is wrong is kept under another name, with all behind it, and reported; revisions then go on far behind, so that
 * a client that saw what is lost is told to look anew.
 *
 * @param tag part of the names of files set aside; the time
 */
export async function recover(dir: string, historyEvents: number, tag: string): Promise<Recovered> {
  const contents = await readFolder(dir)
  for (const name of contents.unfinished) await rm(join(dir, name), { force: true })
  const replay = await loadSnapshot(dir, contents, historyEvents, tag)
  const last = await replaySegments(dir, contents.segments, replay, tag)
  const isDamaged = replay.damage.some(({ kind }) => kind === 'corrupt')
  if (!isDamaged) return { ...replay, segment: last ?? segmentName(replay.revision + 1) }
  await syncFolder(dir)
  return { ...replay, segment: segmentName(replay.revision + 1) }
}

async function loadSnapshot(
  dir: string,
  contents: FolderContents,
  historyEvents: number,
  tag: string,
): Promise<Replay> {
  const damage: StoreDamage[] = []
  const tables = new ObjectTables()
  for (const { name } of contents.snapshots.toReversed()) {
    const snapshot = await readSnapshot(join(dir, name))
    if (snapshot !== undefined) {
      for (const stored of snapshot.objects) tables.put(stored)
      const { revision } = snapshot
      return { revision, tables, history: new History(historyEvents, revision), damage }
    }
    const keptAs = `damaged-${tag}-${name}`
    await rename(join(dir, name), join(dir, keptAs))
    damage.push({ kind: 'corrupt', file: name, offset: 0, problem: 'a snapshot is not whole', keptAs })
  }
  return { revision: 0, tables, history: new History(historyEvents, 0), damage }
}

/** @returns the segment to append to; undefined: none is there */
async function replaySegments(
  dir: string,
  all: readonly NumberedFile[],
  replay: Replay,
  tag: string,
): Promise<string | undefined> {
  // A segment is needed unless the next one begins at or before what the snapshot has.
  const needed = all.filter((_, i) => (all[i + 1]?.revision ?? Number.POSITIVE_INFINITY) > replay.revision + 1)
  for (const [i, { name }] of needed.entries()) {
    const bytes = await readFile(join(dir, name))
    const fault = replayOne(bytes, replay)
    if (fault === undefined) continue
    const isLast = i === needed.length - 1
    if (isLast && fault.isTorn) {
      await truncate(join(dir, name), fault.offset)
      replay.damage.push({ kind: 'torn-tail', file: name, lostBytes: bytes.length - fault.offset })
      return name
    }
    await setAside(dir, needed.slice(i), fault, replay, tag)
    return undefined
  }
  return needed.at(-1)?.name
}

interface Fault {
  readonly offset: number
  readonly problem: string
  /** An end without a line end, and nothing behind it: a write that a crash cut off. */
  readonly isTorn: boolean
}

function replayOne(bytes: Buffer, replay: Replay): Fault | undefined {
  for (const line of scanLines(bytes)) {
    if (line.kind === 'bad') return { offset: line.offset, problem: line.problem, isTorn: !line.isWhole }
    // The checksum says that it is what this program wrote.
    const entry = line.value as JournalEntry
    if (entry.revision <= replay.revision) continue
    if (entry.revision !== replay.revision + 1) {
      const problem = `revision ${entry.revision} follows ${replay.revision}`
      return { offset: line.offset, problem, isTorn: false }
    }
    apply(entry, replay)
  }
  return undefined
}

function apply(entry: JournalEntry, replay: Replay): void {
  const [resource, namespace, name] = entry.key
  const key = { resource, namespace, name }
  const previous = replay.tables.get(key)
  const stored = stamped(key, entry.object, entry.revision)
  replay.history.push(eventOf(entry.kind, stored, previous))
  if (entry.kind === 'delete') replay.tables.remove(key)
  else replay.tables.put(stored)
  replay.revision = entry.revision
}

function eventOf(
  kind: JournalEntry['kind'],
  stored: StoreEvent['stored'],
  previous: StoreEvent['previous'],
): StoreEvent {
  if (previous === undefined) return { kind: 'created', stored, previous }
  return kind === 'delete' ? { kind: 'deleted', stored, previous } : { kind: 'updated', stored, previous }
}

/**
 * Goes on from the last good record: first a snapshot far behind it is made durable, so that a crash in the middle of
 * this finds either the damage again or the snapshot; then the files from the damaged one on get other names.
 */
async function setAside(
  dir: string,
  files: readonly NumberedFile[],
  fault: Fault,
  replay: Replay,
  tag: string,
): Promise<void> {
  const highest = Math.max(replay.revision, ...files.map(({ revision }) => revision))
  replay.revision = highest + REVISIONS_LEFT_OUT
  replay.history.restartAt(replay.revision)
  const snapshot = { revision: replay.revision, objects: replay.tables.everything() }
  const [damaged, ...behind] = files as [NumberedFile, ...NumberedFile[]]
  const keptAs = `damaged-${tag}-${damaged.name}`
  await copyFile(join(dir, damaged.name), join(dir, keptAs))
  await syncFile(join(dir, keptAs))
  await writeSnapshot(dir, snapshot, Promise.resolve())
  await truncate(join(dir, damaged.name), fault.offset)
  for (const { name } of behind) await rename(join(dir, name), join(dir, `damaged-${tag}-${name}`))
  replay.damage.push({ kind: 'corrupt', file: damaged.name, offset: fault.offset, problem: fault.problem, keptAs })
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
