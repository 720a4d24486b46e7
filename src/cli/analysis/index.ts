export { clusterObjects, laidOver, manifestObject } from './objects.ts'
export { findingsDocument, findingsText, isAtLeast } from './report.ts'
export { readSuppressions } from './suppressions.ts'
