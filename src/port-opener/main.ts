import { systemClock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { servePorts } from './serve-ports.ts'

/** Nothing else keeps this process alive: packet sockets do not. */
const STAY_MS = 3_600_000

function stay(): void {
  systemClock.setTimer(STAY_MS, stay, true)
}

async function main([path = '']: readonly string[]): Promise<void> {
  stay()
  try {
    await servePorts(path, systemClock)
    process.exit(0)
  } catch (error) {
    process.stderr.write(`port opener: ${reasonOf(error)}\n`)
    process.exit(1)
  }
}

void main(process.argv.slice(2))
