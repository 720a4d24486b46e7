import { checkBindingWrite, checkRoleWrite, type RbacAuthorizer } from '../auth/index.ts'
import { isEqualJson } from '../objects/json-equal.ts'
import type { ApiObject, FieldProblem, ResourceDefinition, Schema } from '../types.ts'
import { age, at, column, define, listAt, textAt } from './define.ts'
import { invalid, notSupported, required } from './problems.ts'
import { free, kind, list, object, text } from './schemas/form.ts'

const GROUP = 'rbac.authorization.k8s.io'

const rules: Schema = list(
  object(
    {
      apiGroups: list(text),
      resources: list(text),
      resourceNames: list(text),
      verbs: list(text),
      nonResourceURLs: list(text),
    },
    ['verbs'],
  ),
)
const subjects: Schema = list(object({ kind: text, apiGroup: text, name: text, namespace: text }, ['kind', 'name']))
const roleRef: Schema = {
  ...object({ apiGroup: { ...text, default: GROUP }, kind: text, name: text }, ['kind', 'name']),
  'x-kubernetes-map-type': 'atomic',
}

const created = column('Created At', ({ metadata }) => metadata.creationTimestamp)

function role(name: 'Role' | 'ClusterRole', authorizer: RbacAuthorizer): ResourceDefinition {
  return define({
    group: GROUP,
    kind: name,
    isNamespaced: name === 'Role',
    nameRule: 'path-segment',
    schema: kind(`A ${name} is a set of rights.`, { rules, aggregationRule: free }),
    columns: [created],
    prepare: (one, old, context) => {
      if (!isEqualJson(one.rules, old?.rules)) checkRoleWrite(one, context, authorizer)
      return one
    },
    validate: (one) => listAt(one, 'rules').flatMap((rule, i) => ruleProblems(rule, `rules[${i}]`)),
  })
}

function binding(name: 'RoleBinding' | 'ClusterRoleBinding', authorizer: RbacAuthorizer): ResourceDefinition {
  return define({
    group: GROUP,
    kind: name,
    isNamespaced: name === 'RoleBinding',
    nameRule: 'path-segment',
    schema: kind(`A ${name} gives a role to subjects.`, { subjects, roleRef }, ['roleRef']),
    columns: [
      column('Role', (one) => `${textAt(one, 'roleRef', 'kind')}/${textAt(one, 'roleRef', 'name')}`),
      age,
      column('Users', (one) => subjectsOf(one, 'User'), 1),
      column('Groups', (one) => subjectsOf(one, 'Group'), 1),
      column('ServiceAccounts', (one) => subjectsOf(one, 'ServiceAccount'), 1),
    ],
    prepare: (one, old, context, access) => {
      const isSame =
        old !== undefined && isEqualJson(one.subjects, old.subjects) && isEqualJson(one.roleRef, old.roleRef)
      if (isSame || at(one, 'roleRef') === undefined) return one
      const isCluster = textAt(one, 'roleRef', 'kind') === 'ClusterRole'
      const role = access.get({
        group: GROUP,
        resource: isCluster ? 'clusterroles' : 'roles',
        namespace: isCluster ? '' : context.namespace,
        name: textAt(one, 'roleRef', 'name'),
      })
      checkBindingWrite(one, context, authorizer, role)
      return one
    },
    validate: (one, old) => bindingProblems(one, old, name),
  })
}

export function rbacDefinitions(authorizer: RbacAuthorizer): readonly ResourceDefinition[] {
  return [
    role('Role', authorizer),
    role('ClusterRole', authorizer),
    binding('RoleBinding', authorizer),
    binding('ClusterRoleBinding', authorizer),
  ]
}

function ruleProblems(rule: unknown, path: string): FieldProblem[] {
  if (listAt(rule, 'verbs').length === 0) return [required(`${path}.verbs`, 'verbs must contain at least one value')]
  if (listAt(rule, 'nonResourceURLs').length > 0) return []
  return [
    ...(listAt(rule, 'apiGroups').length === 0
      ? [required(`${path}.apiGroups`, 'resource rules must supply at least one api group')]
      : []),
    ...(listAt(rule, 'resources').length === 0
      ? [required(`${path}.resources`, 'resource rules must supply at least one resource')]
      : []),
  ]
}

function bindingProblems(one: ApiObject, old: ApiObject | undefined, name: string): FieldProblem[] {
  const kinds = name === 'RoleBinding' ? ['Role', 'ClusterRole'] : ['ClusterRole']
  const refKind = textAt(one, 'roleRef', 'kind')
  const hasChanged = old !== undefined && JSON.stringify(old.roleRef) !== JSON.stringify(one.roleRef)
  return [
    ...(kinds.includes(refKind) ? [] : [notSupported('roleRef.kind', refKind, kinds)]),
    ...(textAt(one, 'roleRef', 'name') === '' ? [required('roleRef.name')] : []),
    ...(hasChanged ? [invalid('roleRef', one.roleRef, 'cannot change roleRef')] : []),
    ...listAt(one, 'subjects').flatMap((subject, i) => {
      const subjectKind = textAt(subject, 'kind')
      const known = ['ServiceAccount', 'User', 'Group']
      if (!known.includes(subjectKind)) return [notSupported(`subjects[${i}].kind`, subjectKind, known)]
      const needsNamespace =
        subjectKind === 'ServiceAccount' && at(subject, 'namespace') === undefined && name !== 'RoleBinding'
      return needsNamespace ? [required(`subjects[${i}].namespace`)] : []
    }),
  ]
}

function subjectsOf(one: ApiObject, wanted: string): string {
  return listAt(one, 'subjects')
    .filter((subject) => textAt(subject, 'kind') === wanted)
    .map((subject) =>
      wanted === 'ServiceAccount'
        ? `${textAt(subject, 'namespace')}/${textAt(subject, 'name')}`
        : textAt(subject, 'name'),
    )
    .join(', ')
}
