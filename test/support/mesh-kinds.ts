import type { Crd } from '../../src/local/apiserver/crd/crd-types.ts'
import { definitionOf } from '../../src/local/apiserver/crd/custom-definition.ts'
import { createCrdDefinition, readMeshCrds, unknownFields } from '../../src/local/apiserver/crd/index.ts'
import type { ApiObject, FieldProblem, ObjectAccess, RequestContext } from '../../src/local/apiserver/index.ts'
import { Resources } from '../../src/local/apiserver/registry.ts'
import { MESH_CRD_FOLDER } from '../../src/local/mesh-crds.ts'

export { MESH_CRD_FOLDER as CRD_FOLDER } from '../../src/local/mesh-crds.ts'

/** A CRD as the server would take it, or what is wrong with it. */
export function takeCrd(document: ApiObject, registry: Resources = new Resources()): Crd | readonly string[] {
  const definition = createCrdDefinition(registry)
  const [version] = definition.versions
  if (version === undefined) throw new Error('no version')
  const unknown = unknownFields(document, version.schema, true)
  const shaped = definition.defaulted(definition.prune(document, version), version)
  // Neither is looked at before an object is stored.
  const prepared = definition.prepare?.(shaped, undefined, {} as RequestContext, {} as ObjectAccess) ?? shaped
  const problems = definition.validate(prepared, undefined, version).map(line)
  const all = [...unknown.map((path) => `unknown field "${path}"`), ...problems]
  return all.length > 0 ? all : (prepared as Crd)
}

/** The registry with all kinds of `daemonset/crds`. */
export function meshRegistry(): Resources {
  const registry = new Resources()
  for (const document of readMeshCrds(MESH_CRD_FOLDER)) {
    const crd = takeCrd(document, registry)
    if (Array.isArray(crd)) throw new Error(`${document.metadata.name}: ${crd.join('; ')}`)
    registry.put(definitionOf(crd as Crd))
  }
  return registry
}

/** What the server would say to a document with `fieldValidation=Strict`: nothing when it is taken. */
export function refusal(registry: Resources, document: ApiObject, old?: ApiObject): readonly string[] {
  const [group, name] = document.apiVersion.includes('/') ? document.apiVersion.split('/') : ['', document.apiVersion]
  const definition = registry.findKind(group ?? '', document.kind)
  const version = definition?.versions.find((each) => each.name === name && each.isServed)
  if (definition === undefined || version === undefined)
    return [`no matches for kind "${document.kind}" in version "${document.apiVersion}"`]
  const unknown = unknownFields(document, version.schema, true).map((path) => `unknown field "${path}"`)
  if (unknown.length > 0) return unknown
  const shaped = definition.defaulted(definition.prune(document, version), version)
  return definition.validate(shaped, old, version).map(line)
}

function line({ field, problem }: FieldProblem): string {
  return field === '' ? problem : `${field}: ${problem}`
}
