export { proxyStates } from './client-dumps.ts'
export { type DumpSources, debugPage, debugRoutes, type Problems, problemsOf } from './dumps.ts'
