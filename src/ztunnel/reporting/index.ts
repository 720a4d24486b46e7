export { type ConnectionLabels, ConnectionMetrics, type DeclaredParty } from './connection-metrics.ts'
export {
  ConnectionReporter,
  type ConnectionReporterOptions,
  type OpenConnection,
  type Opening,
  type Outcome,
} from './connection-reporter.ts'
export { copyOutcome } from './copy-outcome.ts'
export { partyOf } from './party.ts'
