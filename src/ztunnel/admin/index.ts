export { configDump, type DumpSources, type VersionFacts } from './dumps.ts'
export type { DumpedConnection, DumpedPod } from './node-dumps.ts'
export type { Json } from './sorted-json.ts'
