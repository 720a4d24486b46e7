import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ControlClient } from '../../../src/cli/client/control-client.ts'

describe('what a starting mesh tells', () => {
  let dir: string
  let server: Server

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-control-'))
  })
  afterEach(async () => {
    await new Promise((done) => server.close(done))
    rmSync(dir, { recursive: true })
  })
  const serve = async (handler: Parameters<typeof createServer>[1]): Promise<void> => {
    server = createServer(handler ?? (() => {}))
    await new Promise<void>((done) => server.listen(join(dir, 'ambit.sock'), done))
  }
  const texts = async (into: string[]): Promise<void> => {
    for await (const event of new ControlClient(dir).progress()) into.push(event.text)
  }
  const event = (text: string): string => `${JSON.stringify({ kind: 'step', elapsedMs: 1, text })}\n`

  it('arrives line by line, wherever it was cut', async () => {
    const seen: string[] = []
    await serve(async (_, response) => {
      for (const char of event('one') + event('two – ü')) {
        response.write(char)
        await new Promise((next) => setImmediate(next))
      }
      response.end()
    })
    await texts(seen)
    expect(seen).toEqual(['one', 'two – ü'])
  })

  it('ends with an error, not with the process, when the mesh hangs up in the middle', async () => {
    const seen: string[] = []
    await serve((request, response) => {
      response.write(event('one'), () => request.socket.destroy())
    })
    await expect(texts(seen)).rejects.toThrow(/aborted/)
    expect(seen).toEqual(['one'])
  })
})
