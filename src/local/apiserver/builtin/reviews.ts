import { badRequest } from '../api-error.ts'
import { API_AUDIENCES, type RbacAuthorizer } from '../auth/index.ts'
import type {
  ApiObject,
  Authenticator,
  Authorizer,
  RequestAttributes,
  RequestContext,
  ReviewDefinition,
  UserInfo,
} from '../types.ts'
import { at, listAt, recordAt, textAt } from './define.ts'
import { free, kind } from './schemas/form.ts'

const AUTHENTICATION = 'authentication.k8s.io'
const AUTHORIZATION = 'authorization.k8s.io'

/** The kinds that only ask: who is this, may they do that. */
export function reviewDefinitions(
  authenticator: Authenticator,
  authorizer: RbacAuthorizer,
  verifyAudiences: (token: string) => Promise<readonly string[]>,
): readonly ReviewDefinition[] {
  return [
    review(AUTHENTICATION, 'TokenReview', async (body) => ({
      ...body,
      status: await tokenStatus(body, authenticator, verifyAudiences),
    })),
    review(AUTHENTICATION, 'SelfSubjectReview', async (body, { user }) => ({
      ...body,
      status: { userInfo: userInfo(user) },
    })),
    review(AUTHORIZATION, 'SubjectAccessReview', async (body) => ({
      ...body,
      status: accessStatus(authorizer, attributesOf(body, subjectOf(body))),
    })),
    review(AUTHORIZATION, 'SelfSubjectAccessReview', async (body, { user }) => ({
      ...body,
      status: accessStatus(authorizer, attributesOf(body, user)),
    })),
    {
      ...review(AUTHORIZATION, 'LocalSubjectAccessReview', async (body) => ({
        ...body,
        status: accessStatus(authorizer, attributesOf(body, subjectOf(body))),
      })),
      isNamespaced: true,
    },
    review(AUTHORIZATION, 'SelfSubjectRulesReview', async (body, { user }) => ({
      ...body,
      status: rulesStatus(authorizer, user, textAt(body, 'spec', 'namespace')),
    })),
  ]
}

function review(
  group: string,
  name: string,
  run: (body: ApiObject, context: RequestContext) => Promise<ApiObject>,
): ReviewDefinition {
  const singular = name.toLowerCase()
  return {
    group,
    versions: ['v1'],
    kind: name,
    plural: `${singular}s`,
    singular,
    isNamespaced: false,
    schema: kind(`A ${name} is asked and answered, and not kept.`, { spec: free, status: free }),
    review: async (body, context) => {
      const answer = await run(body, context)
      return {
        ...answer,
        kind: name,
        apiVersion: `${group}/v1`,
        metadata: { ...body.metadata, creationTimestamp: null } as never,
      }
    },
  }
}

async function tokenStatus(
  body: ApiObject,
  authenticator: Authenticator,
  audiencesOf: (token: string) => Promise<readonly string[]>,
): Promise<object> {
  const bearerToken = textAt(body, 'spec', 'token')
  if (bearerToken === '') throw badRequest('token is required for TokenReview in authentication')
  const wanted = listAt(body, 'spec', 'audiences').map(String)
  const accepted = wanted.length === 0 ? API_AUDIENCES : wanted
  const audiences = (await audiencesOf(bearerToken)).filter((audience) => accepted.includes(audience))
  const outcome = await authenticator.authenticate({ clientCertificate: undefined, bearerToken, audiences: accepted })
  if (outcome.kind === 'user') return { authenticated: true, user: userInfo(outcome.user), audiences }
  return { authenticated: false, ...(outcome.kind === 'refused' ? { error: outcome.problem } : {}) }
}

function userInfo({ username, uid, groups, extra }: UserInfo): object {
  return {
    username,
    ...(uid === '' ? {} : { uid }),
    groups,
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  }
}

function accessStatus(authorizer: Authorizer, attributes: RequestAttributes): object {
  const outcome = authorizer.authorize(attributes)
  const reason = outcome.reason === '' ? {} : { reason: outcome.reason }
  return { allowed: outcome.kind === 'allowed', ...reason }
}

function subjectOf(body: ApiObject): UserInfo {
  const username = textAt(body, 'spec', 'user')
  const groups = listAt(body, 'spec', 'groups').map(String)
  if (username === '' && groups.length === 0)
    throw badRequest('spec.user: at least one of user or group must be specified')
  return { username, uid: textAt(body, 'spec', 'uid'), groups, extra: {} }
}

function attributesOf(body: ApiObject, user: UserInfo): RequestAttributes {
  const path = at(body, 'spec', 'nonResourceAttributes')
  if (path !== undefined) return { kind: 'path', user, verb: textAt(path, 'verb'), path: textAt(path, 'path') }
  const resource = recordAt(body, 'spec', 'resourceAttributes')
  const text = (name: string): string => textAt(resource, name)
  return {
    kind: 'resource',
    user,
    verb: text('verb'),
    group: text('group'),
    version: text('version'),
    resource: text('resource'),
    subresource: text('subresource'),
    namespace: text('namespace'),
    name: text('name'),
  }
}

function rulesStatus(authorizer: RbacAuthorizer, user: UserInfo, namespace: string): object {
  const granted = [...authorizer.rulesOf(user, namespace)].map(({ rule }) => rule)
  const isMaster = user.groups.includes('system:masters')
  const all = isMaster
    ? [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, { verbs: ['*'], nonResourceURLs: ['*'] }, ...granted]
    : granted
  return {
    incomplete: false,
    resourceRules: all
      .filter((rule) => rule.resources !== undefined)
      .map(({ verbs, apiGroups = [], resources = [], resourceNames }) => ({
        verbs,
        apiGroups,
        resources,
        ...(resourceNames === undefined ? {} : { resourceNames }),
      })),
    nonResourceRules: all
      .filter((rule) => rule.nonResourceURLs !== undefined)
      .map(({ verbs, nonResourceURLs = [] }) => ({ verbs, nonResourceURLs })),
  }
}
