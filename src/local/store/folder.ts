import { open, readdir } from 'node:fs/promises'
import type { Revision } from './types.ts'

const DIGITS = 16

/** Revisions are padded, so that names sort by them. */
export function segmentName(first: Revision): string {
  return `journal-${String(first).padStart(DIGITS, '0')}.log`
}

export function snapshotName(revision: Revision): string {
  return `snapshot-${String(revision).padStart(DIGITS, '0')}.log`
}

/** Unfinished files: whatever they hold is also elsewhere. */
export const UNFINISHED = '.unfinished'

export interface NumberedFile {
  readonly name: string
  /** First of a segment, last of a snapshot. */
  readonly revision: Revision
}

/** What a store's folder holds, each sorted by revision. */
export interface FolderContents {
  readonly segments: readonly NumberedFile[]
  readonly snapshots: readonly NumberedFile[]
  readonly unfinished: readonly string[]
}

export async function readFolder(dir: string): Promise<FolderContents> {
  const names = (await readdir(dir)).sort()
  const numbered = (pattern: RegExp): NumberedFile[] =>
    names.flatMap((name) => {
      const digits = pattern.exec(name)?.[1]
      return digits === undefined ? [] : [{ name, revision: Number(digits) }]
    })
  return {
    segments: numbered(/^journal-(\d{16})\.log$/),
    snapshots: numbered(/^snapshot-(\d{16})\.log$/),
    unfinished: names.filter((name) => name.endsWith(UNFINISHED)),
  }
}

/** Makes names that were added or removed durable. */
export async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
