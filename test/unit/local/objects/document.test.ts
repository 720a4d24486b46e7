import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { type KubeObject, readObjects } from '#shared/k8s'
import { documentOf } from '../../../../src/local/objects/document.ts'

const shop = join(import.meta.dirname, '../../../../samples/shop')

const objects: readonly (readonly [string, string])[] = [
  ['the shop', readFileSync(join(shop, 'shop.yaml'), 'utf8')],
  ['a legacy namespace', readFileSync(join(shop, 'legacy.yaml'), 'utf8')],
  [
    'a mode per port',
    `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: modes, namespace: shop }
spec: { selector: { matchLabels: { app: web } }, mtls: { mode: STRICT }, portLevelMtls: { 8080: { mode: DISABLE } } }`,
  ],
  [
    'a mesh-wide mode',
    `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }`,
  ],
  [
    'a policy with every kind of clause',
    `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: all, namespace: shop, labels: { a: b }, annotations: { "istio.io/dry-run": "true" } }
spec:
  selector: { matchLabels: { app: web } }
  action: DENY
  rules:
    - from:
        - source: { principals: ["cluster.local/ns/shop/sa/client"], notNamespaces: [legacy] }
        - source: { ipBlocks: ["10.0.0.0/8"] }
      to: [{ operation: { ports: ["80", "443"] } }]
      when: [{ key: source.namespace, values: [a], notValues: [b] }]
    - {}`,
  ],
  [
    'a policy that allows nothing',
    'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: none }\nspec: {}',
  ],
  [
    'a policy for a target',
    `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: target }
spec: { targetRefs: [{ kind: Service, name: web, group: "" }], action: CUSTOM, provider: { name: p }, rules: [{}] }`,
  ],
  [
    'a slice',
    `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: s, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv6
endpoints:
  - { addresses: ["fd00::1"], conditions: { ready: false }, nodeName: node-a, targetRef: { kind: Pod, namespace: shop, name: web } }
  - { addresses: ["fd00::2"] }
ports: [{ name: http, port: 80 }, { name: any }]`,
  ],
]

describe('a document', () => {
  it.each(objects)('of %s is read as the object that it was written from', (_what, yaml) => {
    const read = readObjects(yaml, 'in.yaml').objects
    expect(read.length).toBeGreaterThan(0)
    expect(again(read)).toEqual(read)
  })

  it('of a pod keeps its addresses, conditions and deletion', () => {
    const [pod] = readObjects(
      'apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { containers: [{ name: c }] }',
      'x',
    ).objects
    const live = {
      ...pod,
      metadata: { ...(pod as KubeObject).metadata, uid: 'u', deletionTimestamp: '2026-01-02T03:04:05Z' },
      status: { phase: 'Running', podIPs: ['10.0.0.1', 'fd00::1'], conditions: [{ type: 'Ready', status: 'True' }] },
    } as unknown as KubeObject
    expect(again([live])).toEqual([live])
  })
})

function again(objects: readonly KubeObject[]): readonly KubeObject[] {
  const yaml = objects.map((object) => stringify(documentOf(object), { aliasDuplicateObjects: false })).join('---\n')
  const { objects: read, problems } = readObjects(yaml, 'out.yaml')
  expect(problems).toEqual([])
  return read
}
