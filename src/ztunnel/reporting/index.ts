export { type ConnectionLabels, ConnectionMetrics, type DeclaredParty } from './connection-metrics.ts'
export {
  ConnectionReporter,
  type ConnectionReporterOptions,
  type OpenConnection,
  type Opening,
  type Outcome,
  SUCCESS,
} from './connection-reporter.ts'
export { partyOf } from './party.ts'
