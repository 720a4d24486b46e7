import { Socket } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '#shared/clock'
import { settingsTable } from '#shared/config'
import { reasonOf } from '#shared/errors'
import { runMain } from '#shared/lifecycle'
import { LineWriter, Log } from '#shared/telemetry'
import { LocalMesh } from './app.ts'
import { type LocalConfig, localSettings, readLocalConfig } from './config.ts'

const STDOUT = 1

function main(argv: readonly string[]): void {
  if (argv.includes('--help')) {
    process.stdout.write(
      `supervisor of a mesh on one machine; "ambit up" starts it\n\n${settingsTable(localSettings)}\n`,
    )
    return
  }
  const writer = new LineWriter(STDOUT, systemClock)
  let config: LocalConfig
  let log: Log
  try {
    config = readLocalConfig(process.env, argv)
    log = new Log({ format: 'plain', filter: config.logFilter, clock: systemClock, output: writer })
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`)
    process.exitCode = 1
    return
  }
  const logger = log.logger('local')
  const distDir = dirname(dirname(fileURLToPath(import.meta.url)))
  process.on('exit', () => writer.flushNow())
  void runMain(
    (control) => {
      if (config.lifelineFd > 0)
        endWith(config.lifelineFd, () => control.stop({ reason: 'the terminal is gone', exitCode: 0 }))
      return new LocalMesh({ config, clock: systemClock, logger, distDir }, control).start()
    },
    {
      clock: systemClock,
      log: logger,
      process,
      drainDeadlineMs: 0,
      // Told in the log, which is all that a supervisor has.
      onUnhandled: () => {},
      flush: () => writer.flush(),
    },
  )
}

/** `ambit up` in the foreground holds the other end of the descriptor, and never writes. */
function endWith(fd: number, end: () => void): void {
  const lifeline = new Socket({ fd, readable: true, writable: false })
  lifeline.on('error', () => lifeline.destroy())
  lifeline.on('close', end)
  lifeline.resume()
}

main(process.argv.slice(2))
