export { type Condition, isMet, type ObjectCondition } from './conditions.ts'
export type { MeshSettings } from './settings.ts'
export { type Mesh, nodeAccountKey, wireMesh } from './wiring.ts'
