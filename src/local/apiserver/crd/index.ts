export { createCrdDefinition } from './crd-definition.ts'
export { installMeshCrds, readMeshCrds } from './mesh-crds.ts'
export { prune, unknownFields, validateValue, withDefaults } from './structural/index.ts'
