export { collectObjects, type ObjectCollections } from './object-collections.ts'
