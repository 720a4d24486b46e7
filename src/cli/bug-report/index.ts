export { objectSources, programSources } from './cluster-sources.ts'
export { type CollectBounds, type Collected, collect, type Outcome, type Source, within } from './collect.ts'
export { logFileSources } from './folder-sources.ts'
export { type ArchiveFile, tarOf } from './tar.ts'
