import { describe, expect, it } from 'vitest'
import { findResource, findResources, objectName, readDiscovery } from '../../../../src/cli/cluster/index.ts'

const resource = (name: string, kind: string, more: object = {}): object => ({
  resource: name,
  responseKind: { group: '', version: 'v1', kind },
  scope: 'Namespaced',
  singularResource: kind.toLowerCase(),
  verbs: ['list'],
  ...more,
})
const group = (name: string, versions: Readonly<Record<string, readonly object[]>>): object => ({
  metadata: { name },
  versions: Object.entries(versions).map(([version, resources]) => ({ version, resources })),
})
const all = readDiscovery({
  kind: 'APIGroupDiscoveryList',
  items: [
    group('', {
      v1: [
        resource('pods', 'Pod', { shortNames: ['po'], categories: ['all'] }),
        resource('namespaces', 'Namespace', { scope: 'Cluster', shortNames: ['ns'] }),
      ],
    }),
    group('apps', {
      v1: [resource('deployments', 'Deployment', { shortNames: ['deploy'], categories: ['all'] })],
      v1beta1: [resource('deployments', 'Deployment', { categories: ['all'] })],
    }),
    group('extensions', { v1beta1: [resource('deployments', 'Deployment')] }),
  ],
})

describe('kinds of a server', () => {
  it.each([
    ['pods', 'v1', 'Pod'],
    ['pod', 'v1', 'Pod'],
    ['po', 'v1', 'Pod'],
    ['Pod', 'v1', 'Pod'],
    ['ns', 'v1', 'Namespace'],
    ['deploy', 'apps/v1', 'Deployment'],
    ['deployments.apps', 'apps/v1', 'Deployment'],
    ['deployments.v1beta1.apps', 'apps/v1beta1', 'Deployment'],
    ['deployments.extensions', 'extensions/v1beta1', 'Deployment'],
  ])('are found by what users call them: %s', (name, apiVersion, kind) => {
    expect(findResource(all, name)).toMatchObject({ apiVersion, kind })
  })

  it('are several by a category, each once', () => {
    expect(findResources(all, 'all').map(({ apiVersion, resource: each }) => `${apiVersion} ${each}`)).toEqual([
      'v1 pods',
      'apps/v1 deployments',
    ])
    expect(() => findResource(all, 'all')).toThrow('all is several kinds')
  })

  it.each(['nonsense', 'pods.apps', '', 'constructor'])('are not found by %j', (name) => {
    expect(() => findResources(all, name)).toThrow(/no kind/)
  })

  it('have names as kubectl prints them', () => {
    expect(objectName(findResource(all, 'po'), 'web')).toBe('pod/web')
    expect(objectName(findResource(all, 'deploy'), 'web')).toBe('deployment.apps/web')
  })

  it.each([undefined, null, 'text', {}, { kind: 'APIVersions', versions: ['v1'] }])(
    'are not read from an answer of an old server: %j',
    (answer) => {
      expect(() => readDiscovery(answer)).toThrow(/1\.27/)
    },
  )
})
