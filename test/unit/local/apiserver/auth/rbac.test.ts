import { describe, expect, it } from 'vitest'
import { ruleAllows } from '../../../../../src/local/apiserver/auth/rbac.ts'
import type { RequestAttributes } from '../../../../../src/local/apiserver/index.ts'

const user = { username: 'u', uid: '', groups: [], extra: {} }
const ask = (text: string): RequestAttributes => {
  const [verb = '', what = '', name = ''] = text.split(' ')
  if (what.startsWith('/')) return { kind: 'path', user, verb, path: what }
  const [resource = '', group = ''] = what.split('.')
  const [plural = '', subresource = ''] = resource.split('/')
  return { kind: 'resource', user, verb, group, version: 'v1', resource: plural, subresource, namespace: 'n', name }
}

describe('a rule', () => {
  const pods = { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] }
  it.each<[string, object, string, boolean]>([
    ['its verb', pods, 'get pods', true],
    ['no other verb', pods, 'delete pods', false],
    ['no other resource', pods, 'get secrets', false],
    ['no other group', pods, 'get pods.metrics', false],
    ['no subresource that it does not name', pods, 'get pods/log a', false],
    ['a subresource that it names', { ...pods, resources: ['pods/log'] }, 'get pods/log a', true],
    ['not the resource by its subresource', { ...pods, resources: ['pods/log'] }, 'get pods a', false],
    ['a subresource of any resource', { ...pods, resources: ['*/scale'] }, 'get pods/scale a', true],
    ['everything by stars', { verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, 'delete pods/exec.x a', true],
    ['the names that it lists', { ...pods, resourceNames: ['a'] }, 'get pods a', true],
    ['no other name', { ...pods, resourceNames: ['a'] }, 'get pods b', false],
    ['no list when it has names', { ...pods, resourceNames: ['a'] }, 'list pods', false],
    ['its path', { verbs: ['get'], nonResourceURLs: ['/healthz'] }, 'get /healthz', true],
    ['no path below', { verbs: ['get'], nonResourceURLs: ['/healthz'] }, 'get /healthz/x', false],
    ['paths below a star', { verbs: ['get'], nonResourceURLs: ['/api/*'] }, 'get /api/v1', true],
    ['no path by a rule for resources', { verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, 'get /healthz', false],
  ])('allows %s', (_what, rule, question, isAllowed) => {
    expect(ruleAllows(rule as typeof pods, ask(question))).toBe(isAllowed)
  })
})
