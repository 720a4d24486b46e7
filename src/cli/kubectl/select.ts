import { MeshError } from '#shared/errors'
import type { ApiDocument, ApiObjectId } from '#shared/kube-client'
import { findResource, findResources, type ServedResource } from '../cluster/index.ts'
import type { Session } from './session.ts'

/** What the arguments `TYPE[,TYPE] [NAME…]` or `TYPE/NAME…` name. */
export type Selection =
  | { readonly kind: 'named'; readonly objects: readonly { readonly type: string; readonly name: string }[] }
  | { readonly kind: 'all-of'; readonly types: readonly string[] }

/** @throws MeshError `COMMAND_FAILED` with the two forms */
export function readSelection(args: readonly string[]): Selection {
  const [first, ...names] = args
  if (first === undefined) throw new MeshError('COMMAND_FAILED', 'name a kind: "pods", or "pod/NAME"')
  if (args.some((arg) => arg.includes('/'))) {
    const objects = args.map((arg) => {
      const [type = '', name = '', ...more] = arg.split('/')
      if (type === '' || name === '' || more.length > 0 || type.includes(','))
        throw new MeshError('COMMAND_FAILED', `${arg} is not of the form TYPE/NAME, as the others are`)
      return { type, name }
    })
    return { kind: 'named', objects }
  }
  const types = first.split(',').filter((type) => type !== '')
  if (names.length === 0) return { kind: 'all-of', types }
  return { kind: 'named', objects: types.flatMap((type) => names.map((name) => ({ type, name }))) }
}

export interface SelectFlags {
  readonly namespace?: string
  readonly allNamespaces?: boolean
  readonly selector?: string
  readonly fieldSelector?: string
  readonly all?: boolean
}

/** An object that a command is about. */
export interface Selected {
  readonly resource: ServedResource
  readonly id: ApiObjectId
}

/**
 * The objects that exist and are meant, for commands that change them or wait: by name, by `-l`, or `--all` of a kind.
 * Names are taken as they are; that they exist shows later.
 */
export async function selectObjects(
  session: Session,
  args: readonly string[],
  flags: SelectFlags,
): Promise<readonly Selected[]> {
  const selection = readSelection(args)
  const resources = await session.resources()
  if (selection.kind === 'named') {
    if (flags.selector !== undefined || flags.all === true)
      throw new MeshError('COMMAND_FAILED', 'names do not go together with -l or --all')
    return selection.objects.map(({ type, name }) => {
      const resource = findResource(resources, type)
      return { resource, id: session.idOf(resource, name) }
    })
  }
  if (flags.selector === undefined && flags.fieldSelector === undefined && flags.all !== true)
    throw new MeshError('COMMAND_FAILED', `name objects, or choose them with -l SELECTOR or --all`)
  const found: Selected[] = []
  for (const resource of selection.types.flatMap((type) => findResources(resources, type))) {
    for (const document of await session.connection.list(resource, listOptions(session, resource, flags)))
      found.push({ resource, id: idOf(document) })
  }
  return found
}

/** Empty namespace: all of them. */
export function listOptions(
  session: Session,
  resource: ServedResource,
  { allNamespaces, selector, fieldSelector }: SelectFlags,
): { readonly namespace: string; readonly labelSelector?: string; readonly fieldSelector?: string } {
  return {
    namespace: resource.namespaced && allNamespaces !== true ? session.namespace : '',
    ...(selector === undefined ? {} : { labelSelector: selector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  }
}

function idOf(document: ApiDocument): ApiObjectId {
  // Every object of a list has its metadata.
  const { name, namespace = '' } = document.metadata as { readonly name: string; readonly namespace?: string }
  return { name, namespace }
}
