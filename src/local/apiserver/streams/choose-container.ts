import { badRequest } from '../api-error.ts'
import type { ApiObject } from '../types.ts'

type Spec = Readonly<Record<string, readonly { readonly name: string }[] | undefined>>

/**
 * The container that is meant: the named one, of whatever kind, or the only one.
 *
 * @throws ApiError BadRequest when there is no such container, or more than one to choose from
 */
export function chooseContainer(pod: ApiObject, asked: string): string {
  const spec = (pod.spec ?? {}) as Spec
  const names = (list: string): readonly string[] => (spec[list] ?? []).map(({ name }) => name)
  const { name } = pod.metadata
  const containers = names('containers')
  const others = [...names('initContainers'), ...names('ephemeralContainers')]
  if (asked !== '') {
    if (containers.includes(asked) || others.includes(asked)) return asked
    throw badRequest(`container ${asked} is not valid for pod ${name}`)
  }
  const [only] = containers
  if (containers.length === 1 && only !== undefined) return only
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${containers.join(' ')}]`)
}
