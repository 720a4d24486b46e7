import type { Store } from '../../store/index.ts'
import type { ApiObject, AuthorizationOutcome, Authorizer, RequestAttributes, UserInfo } from '../types.ts'

/** One rule of a Role or ClusterRole. */
export interface PolicyRule {
  readonly verbs: readonly string[]
  readonly apiGroups?: readonly string[]
  readonly resources?: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly nonResourceURLs?: readonly string[]
}

interface Binding {
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[]
  readonly roleRef: { readonly kind: string; readonly name: string }
}

/** Rules that hold for a user, and where. */
export interface GrantedRule {
  readonly rule: PolicyRule
  /** Undefined: everywhere. */
  readonly namespace: string | undefined
  readonly through: string
}

const RBAC = 'rbac.authorization.k8s.io'

/** Role-based access as Kubernetes has it; `system:masters` may do everything. Reads the store with every question. */
export class RbacAuthorizer implements Authorizer {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  authorize(attributes: RequestAttributes): AuthorizationOutcome {
    const { user } = attributes
    if (user.groups.includes('system:masters')) return { kind: 'allowed', reason: 'member of system:masters' }
    const namespace = attributes.kind === 'resource' ? attributes.namespace : ''
    for (const { rule, through } of this.rulesOf(user, namespace))
      if (ruleAllows(rule, attributes)) return { kind: 'allowed', reason: `RBAC: allowed by ${through}` }
    return { kind: 'denied', reason: '' }
  }

  /** Rules for a user in a namespace ('' for the cluster alone), those of the cluster first. */
  *rulesOf(user: UserInfo, namespace: string): Generator<GrantedRule> {
    for (const binding of this.#objects('clusterrolebindings', ''))
      for (const rule of this.#bound(binding, user, ''))
        yield { rule, namespace: undefined, through: `ClusterRoleBinding "${binding.metadata.name}"` }
    if (namespace === '') return
    for (const binding of this.#objects('rolebindings', namespace))
      for (const rule of this.#bound(binding, user, namespace))
        yield { rule, namespace, through: `RoleBinding "${binding.metadata.name}/${namespace}"` }
  }

  #bound(object: ApiObject, user: UserInfo, namespace: string): readonly PolicyRule[] {
    // Validated when it was written.
    const { subjects = [], roleRef } = object as ApiObject & Binding
    if (!subjects.some((subject) => isSubject(subject, user, namespace))) return []
    const isCluster = roleRef.kind === 'ClusterRole'
    const role = this.#store.get({
      resource: `${RBAC}/${isCluster ? 'clusterroles' : 'roles'}`,
      namespace: isCluster ? '' : namespace,
      name: roleRef.name,
    })
    return (role?.object.rules as readonly PolicyRule[] | undefined) ?? []
  }

  #objects(plural: string, namespace: string): ApiObject[] {
    const listed = this.#store.list({
      resource: `${RBAC}/${plural}`,
      namespace: namespace === '' ? undefined : namespace,
    })
    return listed.kind === 'listed' ? listed.items.map(({ object }) => object) : []
  }
}

function isSubject(
  subject: { readonly kind: string; readonly name: string; readonly namespace?: string },
  user: UserInfo,
  bindingNamespace: string,
): boolean {
  if (subject.kind === 'User') return subject.name === user.username
  if (subject.kind === 'Group') return user.groups.includes(subject.name)
  const namespace = subject.namespace ?? bindingNamespace
  return subject.kind === 'ServiceAccount' && user.username === `system:serviceaccount:${namespace}:${subject.name}`
}

/** Pure. */
export function ruleAllows(rule: PolicyRule, attributes: RequestAttributes): boolean {
  if (!includes(rule.verbs, attributes.verb)) return false
  if (attributes.kind === 'path')
    return (rule.nonResourceURLs ?? []).some((pattern) => isPathOf(attributes.path, pattern))
  const { group, resource, subresource, name } = attributes
  if (!includes(rule.apiGroups ?? [], group)) return false
  const whole = subresource === '' ? resource : `${resource}/${subresource}`
  const resources = rule.resources ?? []
  const isResource = includes(resources, whole) || (subresource !== '' && resources.includes(`*/${subresource}`))
  if (!isResource) return false
  const names = rule.resourceNames ?? []
  return names.length === 0 || names.includes(name)
}

function includes(list: readonly string[], wanted: string): boolean {
  return list.includes('*') || list.includes(wanted)
}

function isPathOf(path: string, pattern: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern
}
