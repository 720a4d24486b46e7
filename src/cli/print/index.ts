export { type ConfigDump, type ConfigKind, configTable, configValues, KINDS } from './config-dump.ts'
export { table } from './table.ts'
