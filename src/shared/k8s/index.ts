export {
  DEFAULT_EXCLUDED_NAMESPACES,
  decideEnrolment,
  type Enrolment,
  type EnrolmentBar,
  type EnrolmentFacts,
} from './enrolment.ts'
export type * from './entry-types.ts'
export type * from './gateway-types.ts'
export { configMapKind, type KindReader, meshConfigKind, meshKinds } from './kinds.ts'
export { matchesSelector } from './metadata-selector.ts'
export { ObjectTable, objectKey } from './object-table.ts'
export { decideOrigin, type ObjectOrigin, type OriginSettings, originSettings } from './origin.ts'
export { type ObjectId, type ReadApiObject, readApiObject } from './read-object.ts'
export { type ReadObjects, readObjects } from './read-objects.ts'
export type * from './types.ts'
export { OPERATION_FIELDS, SOURCE_FIELDS } from './types.ts'
export { type FolderSettings, formatProblem, watchFolder } from './watch-folder.ts'
