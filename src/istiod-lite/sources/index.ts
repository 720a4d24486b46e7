export { MESH_CONFIG_NAME } from './discovery.ts'
export { collectObjects, meshConfigKey, type ObjectCollections } from './object-collections.ts'
export { type OpenedObjects, openObjects } from './open-objects.ts'
export { RootConfigMaps } from './root-config-maps.ts'
