export {
  type AccessDirection,
  AccessLog,
  type AccessParty,
  type AccessRecord,
  type AccessSubject,
  type AccessWho,
  type EarlyDenial,
} from './access-record.ts'
export { type LineOutput, LineWriter } from './line-writer.ts'
export { type Line, Log, type LogFormat, type LogSettings } from './log.ts'
export { LogFilter } from './log-filter.ts'
export {
  type Counter,
  type Family,
  type Gauge,
  type Histogram,
  labelText,
  METRICS_CONTENT_TYPE,
  Metrics,
  UNKNOWN,
} from './metrics.ts'
export { ObjectNumbers } from './object-numbers.ts'
export { type DeclaredParty, known, PARTY_LABELS, type Party, partyValues, placeOf } from './party-labels.ts'
export { registerProcessMetrics } from './process-metrics.ts'
export type { ConnectionFlag, LogFields, Logger, LogLevel, Reporter } from './types.ts'
