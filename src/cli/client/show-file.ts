import { createReadStream, statSync, watch } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Terminal } from '../print/index.ts'

/** Writes a file out; when it is followed, until a signal ends this process. One that was cut is shown from its beginning. */
export async function showFile(file: string, isFollowed: boolean, terminal: Terminal): Promise<void> {
  let shown = await show(file, 0, terminal)
  if (!isFollowed) return
  for await (const _ of changesOf(file)) {
    const { size } = statSync(file)
    shown = await show(file, size < shown ? 0 : shown, terminal)
  }
}

/** @returns how far the file has been shown */
async function show(file: string, from: number, { stdout }: Terminal): Promise<number> {
  const stream = createReadStream(file, { start: from })
  await pipeline(stream, stdout, { end: false })
  return from + stream.bytesRead
}

async function* changesOf(file: string): AsyncGenerator<void> {
  let wake = (): void => {}
  // What came while the file was shown is shown, too.
  let isChanged = true
  const watcher = watch(file, () => {
    isChanged = true
    wake()
  })
  try {
    for (;;) {
      if (!isChanged) await new Promise<void>((resolve) => (wake = resolve))
      isChanged = false
      yield
    }
  } finally {
    watcher.close()
  }
}
