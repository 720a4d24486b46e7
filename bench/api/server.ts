// The Kubernetes API of one machine in a process of its own: node server.ts DIR. Says one JSON line when it is served,
// one with its memory for each line that it reads, and ends with its input.
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { systemClock } from '#shared/clock'
import { parseIp } from '#shared/net'
import {
  apiServerDefaults,
  installMeshCrds,
  readMeshCrds,
  serverParts,
  startApiServer,
} from '../../src/local/apiserver/index.ts'
import { openStore, storeDefaults } from '../../src/local/store/index.ts'
import { quietLogger } from '../../test/support/quiet-logger.ts'
import type { Served } from './api.ts'

const dir = process.argv[2] ?? ''
const host = parseIp('127.0.0.1')
if (dir === '' || host === undefined) throw new TypeError('usage: server.ts DIR')
const beganMs = performance.now()
const store = await openStore({ ...storeDefaults, dir: join(dir, 'store'), sync: 'always' }, systemClock, quietLogger)
const settings = { ...apiServerDefaults, host, port: 0, pkiDir: join(dir, 'pki') }
const server = await startApiServer(settings, store, serverParts, undefined, systemClock, quietLogger)
const crds = pathToFileURL(join(import.meta.dirname, '../../daemonset/crds/'))
await installMeshCrds(readMeshCrds(crds), server.access)
const served: Served = {
  startMs: performance.now() - beganMs,
  url: server.url,
  caPem: server.caPem,
  client: server.issueClient('bench', 'system:masters'),
}
say(served)
const lines = createInterface({ input: process.stdin })
lines.on('line', () => say({ rssBytes: process.memoryUsage.rss() }))
lines.on('close', () => {
  void server.close().then(() => store.close())
})

function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
