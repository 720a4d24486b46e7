export { createCrdDefinition } from './crd-definition.ts'
export { prune, unknownFields, validateValue, withDefaults } from './structural/index.ts'
