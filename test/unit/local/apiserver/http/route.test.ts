import { describe, expect, it } from 'vitest'
import { routeOf } from '../../../../../src/local/apiserver/http/route.ts'

const at = (group: string, version: string, resource: string, namespace = '', name = '', subresource = ''): object => ({
  kind: 'resource',
  at: { group, version, resource, namespace, name, subresource },
})

describe('a path', () => {
  it.each<[string, object]>([
    ['/api/v1/pods', at('', 'v1', 'pods')],
    ['/api/v1/namespaces/n/pods', at('', 'v1', 'pods', 'n')],
    ['/api/v1/namespaces/n/pods/p', at('', 'v1', 'pods', 'n', 'p')],
    ['/api/v1/namespaces/n/pods/p/log', at('', 'v1', 'pods', 'n', 'p', 'log')],
    ['/api/v1/namespaces', at('', 'v1', 'namespaces')],
    ['/api/v1/namespaces/n', at('', 'v1', 'namespaces', '', 'n')],
    ['/api/v1/namespaces/n/status', at('', 'v1', 'namespaces', '', 'n', 'status')],
    ['/api/v1/namespaces/n/finalize', at('', 'v1', 'namespaces', '', 'n', 'finalize')],
    ['/apis/apps/v1/deployments/', at('apps', 'v1', 'deployments')],
    ['/apis/apps/v1/namespaces/n/deployments/d/scale', at('apps', 'v1', 'deployments', 'n', 'd', 'scale')],
    [
      '/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode',
      at('rbac.authorization.k8s.io', 'v1', 'clusterroles', '', 'system:node'),
    ],
    ['/api', { kind: 'discovery', group: '', version: undefined, path: '/api' }],
    ['/apis/', { kind: 'discovery', group: undefined, version: undefined, path: '/apis' }],
    ['/apis/apps', { kind: 'discovery', group: 'apps', version: undefined, path: '/apis/apps' }],
    ['/apis/apps/v1', { kind: 'discovery', group: 'apps', version: 'v1', path: '/apis/apps/v1' }],
    ['/openapi/v3/apis/apps/v1', { kind: 'openapi', path: '/openapi/v3/apis/apps/v1' }],
    ['/version', { kind: 'other', path: '/version' }],
    ['/', { kind: 'other', path: '/' }],
    ['/api/v1/namespaces/n/pods/p/log/more', { kind: 'other', path: '/api/v1/namespaces/n/pods/p/log/more' }],
  ])('%s means %j', (path, route) => {
    expect(routeOf(path)).toEqual(route)
  })

  it('with a broken escape is none', () => {
    expect(routeOf('/api/v1/pods/%zz')).toBeUndefined()
  })
})
