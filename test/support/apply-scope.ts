import type { ApplyScope, ResourceDefinition, Subresource, VersionDefinition } from '../../src/local/apiserver/types.ts'
import { deploymentSchema } from './kube-schemas.ts'

const definition = {
  group: 'apps',
  kind: 'Deployment',
  plural: 'deployments',
  origin: 'builtin',
  subresources: new Map<string, Subresource>([['status', { kind: 'status' }]]),
} as unknown as ResourceDefinition
const version = { name: 'v1', schema: deploymentSchema } as unknown as VersionDefinition

/** A request on a Deployment by `fieldManager`. */
export function applyScope(fieldManager: string, more: Partial<ApplyScope> = {}): ApplyScope {
  return { definition, version, fieldManager, subresource: '', nowMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678), ...more }
}
