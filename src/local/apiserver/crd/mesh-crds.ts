import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import type { ApiObject, ObjectAccess } from '../types.ts'
import { CRD_GROUP } from './crd-types.ts'
import { canonical } from './structural/json.ts'

/** Hash of the spec that was installed: a spec with another one was changed by a user, and stays as it is. */
export const INSTALLED_HASH = 'ambit.dev/installed-spec'
/**
 * The manager that `kubectl apply --server-side` has: whoever applies the definitions of Istio or Gateway API over these
 * takes their fields over, and meets no conflict.
 */
const APPLIED_AS = 'kubectl'
/** Groups whose kinds are named like those of others: short names on the command line mean the others'. */
const LAST_GROUPS = ['flagger.app', 'policy.linkerd.io']

/**
 * The mesh's kinds, as CustomResourceDefinitions.
 *
 * @param folder of YAML files, one definition each
 * @throws Error when a file cannot be read or is no YAML
 */
export function readMeshCrds(folder: URL): readonly ApiObject[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml')
  const isLast = (name: string): number => (LAST_GROUPS.some((group) => name.startsWith(`${group}_`)) ? 1 : 0)
  names.sort((a, b) => isLast(a) - isLast(b) || (a < b ? -1 : 1))
  return names.flatMap((name) =>
    parseAllDocuments(readFileSync(new URL(name, folder), 'utf8')).map((document) => {
      const [error] = document.errors
      if (error !== undefined) throw new Error(`${name}: ${error.message}`)
      // Anchors stand for the same schema in several versions; the files are our own.
      return document.toJS({ maxAliasCount: -1 }) as ApiObject
    }),
  )
}

/**
 * Installs what is missing and brings older definitions of ours up to date. Definitions that a user has put in their
 * place (those of Istio or of Gateway API itself) stay.
 *
 * @throws ApiError when one is refused
 */
export async function installMeshCrds(crds: readonly ApiObject[], access: ObjectAccess): Promise<void> {
  await Promise.all(crds.map((crd) => install(crd, access)))
}

async function install(crd: ApiObject, access: ObjectAccess): Promise<void> {
  const { name, annotations } = crd.metadata
  const ref = { group: CRD_GROUP, resource: 'customresourcedefinitions', namespace: '', name }
  const hash = hashOf(crd)
  const present = access.get(ref)
  if (present !== undefined) {
    const isOurs = present.metadata.annotations?.[INSTALLED_HASH] === hashOf(present)
    if (!isOurs || hashOf(present) === hash || present.metadata.deletionTimestamp !== undefined) return
  }
  const wanted = { ...crd, metadata: { ...crd.metadata, annotations: { ...annotations, [INSTALLED_HASH]: hash } } }
  await access.patch(ref, 'apply', wanted, { fieldManager: APPLIED_AS })
}

function hashOf({ spec }: ApiObject): string {
  return createHash('sha256').update(canonical(spec)).digest('hex')
}
