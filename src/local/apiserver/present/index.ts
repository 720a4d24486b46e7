export { ageSince, humanAge } from './age.ts'
export { partialMetadata } from './partial.ts'
export { type IncludeObject, type Table, tableOf } from './table.ts'
