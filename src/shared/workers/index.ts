export { countersOf, mergeMetrics } from './merge-metrics.ts'
export { type ParentChannel, parentChannel, workerCommand } from './parent-channel.ts'
export { type ReportAnswer, type ReportRequest, WorkerProcess, type WorkerProcessOptions } from './worker-process.ts'
