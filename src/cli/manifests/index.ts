export { loadManifests, type ManifestPlaces } from './load-manifests.ts'
export { type Manifest, parseManifests } from './read-manifests.ts'
