import { systemClock } from '#shared/clock'
import { Log, type Logger } from '#shared/telemetry'

/** Says nothing. */
export const quietLogger: Logger = new Log({
  format: 'plain',
  filter: 'off',
  clock: systemClock,
  output: { line: () => {} },
}).logger('test')
