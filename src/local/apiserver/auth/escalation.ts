import { forbidden } from '../api-error.ts'
import type { ApiObject, RequestAttributes, RequestContext } from '../types.ts'
import { type PolicyRule, type RbacAuthorizer, ruleAllows } from './rbac.ts'

const GROUP = 'rbac.authorization.k8s.io'
/** Combinations of verbs and resources of one role that are looked at. */
const MAX_COMBINATIONS = 10_000

/**
 * Nobody gives away rights that they do not have: a role's rules must be the writer's own, unless the writer may
 * `escalate` roles.
 *
 * @throws ApiError Forbidden
 */
export function checkRoleWrite(role: ApiObject, context: RequestContext, authorizer: RbacAuthorizer): void {
  const rules = (role.rules ?? []) as readonly PolicyRule[]
  if (may('escalate', role.metadata.name, context, authorizer) || holdsAll(rules, context, authorizer)) return
  const why = `user ${JSON.stringify(context.user.username)} is attempting to grant RBAC permissions not currently held`
  throw forbidden({ group: GROUP, plural: context.resource, kind: role.kind }, role.metadata.name, why)
}

/** The same for bindings: their writer holds all rights of the role, or may `bind` it. @throws ApiError Forbidden */
export function checkBindingWrite(
  binding: ApiObject,
  context: RequestContext,
  authorizer: RbacAuthorizer,
  role: ApiObject | undefined,
): void {
  const { kind, name } = binding.roleRef as { readonly kind: string; readonly name: string }
  const resource = kind === 'ClusterRole' ? 'clusterroles' : 'roles'
  if (may('bind', name, { ...context, resource }, authorizer)) return
  // Rights of a role that is not there yet would come unseen.
  const rules = role === undefined ? undefined : ((role.rules ?? []) as readonly PolicyRule[])
  if (rules !== undefined && holdsAll(rules, context, authorizer)) return
  const why = `user ${JSON.stringify(context.user.username)} is attempting to grant RBAC permissions not currently held`
  throw forbidden({ group: GROUP, plural: context.resource, kind: binding.kind }, binding.metadata.name, why)
}

function may(verb: 'escalate' | 'bind', name: string, context: RequestContext, authorizer: RbacAuthorizer): boolean {
  const { user, version, resource, namespace } = context
  const attributes = { verb, group: GROUP, version, resource, subresource: '', namespace, name }
  return authorizer.authorize({ kind: 'resource', user, ...attributes }).kind === 'allowed'
}

function holdsAll(
  rules: readonly PolicyRule[],
  { user, namespace }: RequestContext,
  authorizer: RbacAuthorizer,
): boolean {
  const own = [...authorizer.rulesOf(user, namespace)].map(({ rule }) => rule)
  let combinations = 0
  for (const rule of rules)
    for (const wanted of questionsOf(rule, namespace)) {
      if (++combinations > MAX_COMBINATIONS) return false
      if (!own.some((one) => ruleAllows(one, wanted))) return false
    }
  return true
}

/** Each single right of a rule, as the question whether somebody has it; stars stay stars. */
function* questionsOf(rule: PolicyRule, namespace: string): Generator<RequestAttributes> {
  const user = { username: '', uid: '', groups: [], extra: {} }
  for (const verb of rule.verbs) {
    for (const path of rule.nonResourceURLs ?? []) yield { kind: 'path', user, verb, path }
    for (const group of rule.apiGroups ?? [])
      for (const whole of rule.resources ?? [])
        for (const name of rule.resourceNames ?? ['']) {
          const [resource = '', subresource = ''] = whole.split('/')
          yield { kind: 'resource', user, verb, group, version: '', resource, subresource, namespace, name }
        }
  }
}
