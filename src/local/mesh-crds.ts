/**
 * The mesh's kinds as CustomResourceDefinitions, one file each; the same files that are applied to a real cluster. Both
 * this file and the bundle (`dist/local/main.js`) lie two folders below the project's root.
 */
export const MESH_CRD_FOLDER: URL = new URL('../../daemonset/crds/', import.meta.url)
