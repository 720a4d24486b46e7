export { type DumpSources, debugRoutes, type Problems, problemsOf } from './dumps.ts'
