import { Socket } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '#shared/clock'
import { runMain } from '#shared/lifecycle'
import { LineWriter, Log } from '#shared/telemetry'
import { LocalMesh } from './app.ts'
import { readLocalConfig } from './config.ts'

const writer = new LineWriter(2, systemClock)
const log = new Log({ format: 'plain', filter: process.env.RUST_LOG ?? 'info', clock: systemClock, output: writer })
const logger = log.logger('local')

void runMain(
  async (control) => {
    const config = readLocalConfig(process.env, process.argv.slice(2))
    if (config.lifelineFd > 0) {
      // `ambit up` in the foreground holds the other end: when it is gone, so is the mesh.
      const lifeline = new Socket({ fd: config.lifelineFd, readable: true, writable: false })
      lifeline.on('error', () => lifeline.destroy())
      lifeline.on('close', () => control.stop({ reason: 'the terminal is gone', exitCode: 0 }))
      lifeline.resume()
    }
    const distDir = dirname(dirname(fileURLToPath(import.meta.url)))
    return new LocalMesh({ config, clock: systemClock, logger, path: process.env.PATH ?? '', distDir }, control).start()
  },
  {
    clock: systemClock,
    log: logger,
    process,
    drainDeadlineMs: 0,
    onUnhandled: () => {},
    flush: () => writer.flush(),
  },
)
