import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatProblem, readObjects } from '#shared/k8s'

const problemsOf = (text: string): string[] => readObjects(text, 'f.yaml').problems.map(formatProblem)

const policy = (spec: string): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: a}\nspec:\n${spec}`

describe('reading objects', () => {
  it('takes several documents and lists, and gives each object its namespace', () => {
    const text = [
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}',
      'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop}}',
      '# only a comment',
      'apiVersion: v1\nkind: Node\nmetadata: {name: node-a}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: b}',
    ].join('\n---\n')
    const read = readObjects(text, 'f.yaml')
    expect(read.problems).toEqual([])
    expect(read.objects.map((o) => `${o.kind} ${o.metadata.namespace}/${o.metadata.name}`)).toEqual([
      'Namespace /shop',
      'ServiceAccount shop/web',
      'Node /node-a',
      'ServiceAccount default/b',
    ])
  })

  it('gives the same uid to the same object and another to another', () => {
    const uid = (name: string): string | undefined =>
      readObjects(`apiVersion: v1\nkind: Node\nmetadata: {name: ${name}}`, 'x').objects[0]?.metadata.uid
    expect(uid('a')).toBe(uid('a'))
    expect(uid('a')).not.toBe(uid('b'))
    expect(uid('a')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-/)
  })

  it('reads a pod with its defaults', () => {
    const text = `
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}, creationTimestamp: null}
spec:
  nodeName: node-a
  tolerations: [{operator: Exists}]
  containers:
  - {name: app, image: web, ports: [{containerPort: 8080, name: http}]}
status:
  phase: Running
  podIP: 10.0.0.1
  podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]
  conditions: [{type: Ready, status: "True"}]
`
    expect(readObjects(text, 'f').objects).toMatchObject([
      {
        kind: 'Pod',
        metadata: { creationTimestamp: undefined, labels: { app: 'web' } },
        spec: { nodeName: 'node-a', serviceAccountName: 'default', hostNetwork: false },
        status: { phase: 'Running', podIPs: ['10.0.0.1', 'fd00::1'] },
      },
    ])
  })

  const refused: readonly [shows: string, text: string, problems: readonly string[]][] = [
    [
      'broken YAML with its line',
      'a: b\nc: [',
      ['f.yaml:2: is no YAML: Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ],
    ['a key written twice', 'a: 1\na: 2', ['f.yaml:2: is no YAML: Map keys must be unique']],
    [
      'a document that is no map',
      'apiVersion: v1\nkind: Node\nmetadata: {name: n}\n---\n- 1',
      ['f.yaml:5: is no object: [1]'],
    ],
    [
      'a kind that is not understood',
      'apiVersion: apps/v1\nkind: Deployment',
      ['f.yaml:2: kind: "apps/v1" kind "Deployment" is not supported'],
    ],
    [
      'a wrong version of a known kind',
      'kind: EndpointSlice\napiVersion: discovery.k8s.io/v1beta1',
      [
        'f.yaml:1: kind: "discovery.k8s.io/v1beta1" kind "EndpointSlice" is not supported; apiVersion discovery.k8s.io/v1 is',
      ],
    ],
    ['a missing name', 'apiVersion: v1\nkind: Node', ['f.yaml:1: metadata.name: is missing']],
    [
      'a label that is a number',
      'apiVersion: v1\nkind: Node\nmetadata:\n  name: n\n  labels:\n    v: 1',
      ['f.yaml:6: metadata.labels.v: must be a string (quote it), is 1'],
    ],
    [
      'a bad pod address',
      'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nstatus:\n  podIP: 10.0.0',
      ['f.yaml:5: status.podIP: is no IP address: "10.0.0"'],
    ],
    [
      'a bad port inside a list item',
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: s}\n  spec:\n    ports:\n    - port: 0',
      ['f.yaml:9: items[0].spec.ports[0].port: must be a whole number from 1 to 65535, is 0'],
    ],
    ['an unknown field of a policy', policy('  rules:\n  - form: []'), ['f.yaml:6: spec.rules[0].form: unknown field']],
    [
      'a bad action',
      policy('  action: deny'),
      ['f.yaml:5: spec.action: must be one of ALLOW, DENY, AUDIT, CUSTOM, is "deny"'],
    ],
    [
      'an empty from',
      policy('  rules: [{from: []}]'),
      ['f.yaml:5: spec.rules[0].from: must not be empty; leave it out to match everything'],
    ],
    [
      'an empty source',
      policy('  rules: [{from: [{source: {}}]}]'),
      ['f.yaml:5: spec.rules[0].from[0].source: names nothing to match'],
    ],
    [
      'bad values of a policy',
      policy('  rules:\n  - from: [{source: {ipBlocks: [10.0.0.0/33]}}]\n    to: [{operation: {ports: ["http"]}}]'),
      [
        'f.yaml:6: spec.rules[0].from[0].source.ipBlocks[0]: is no IP address or CIDR: "10.0.0.0/33"',
        'f.yaml:7: spec.rules[0].to[0].operation.ports[0]: is no port from 1 to 65535: "http"',
      ],
    ],
    [
      'an unknown condition',
      policy('  rules: [{when: [{key: source.port, values: ["1"]}]}]'),
      ['f.yaml:5: spec.rules[0].when[0].key: is no known condition: "source.port"'],
    ],
    [
      'a selector beside a target',
      policy('  selector: {matchLabels: {a: b}}\n  targetRefs: [{kind: Service, name: s}]'),
      ['f.yaml:5: spec.selector: cannot stand beside targetRefs'],
    ],
    [
      'port modes without a selector',
      'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p}\nspec:\n  portLevelMtls: {80: {mode: STRICT}}',
      ['f.yaml:5: spec.portLevelMtls: needs a selector with matchLabels: port modes belong to workloads'],
    ],
    [
      'a misspelt mode',
      'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p}\nspec:\n  mtls: {mode: STRIKT}',
      ['f.yaml:5: spec.mtls.mode: must be one of UNSET, DISABLE, PERMISSIVE, STRICT, is "STRIKT"'],
    ],
  ]
  it.each(refused)('names %s', (_, text, problems) => {
    expect(problemsOf(text)).toEqual(problems)
  })

  it('leaves out the wrong object, names it as rejected and takes its neighbours', () => {
    const read = readObjects(`${policy('  actoin: DENY')}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: n}`, 'f')
    expect(read.objects.map((o) => o.kind)).toEqual(['Node'])
    expect(read.rejected).toEqual([{ kind: 'AuthorizationPolicy', namespace: 'a', name: 'p' }])
    expect(read.isUnreadable).toBe(false)
  })

  it('takes nothing of a text that is no YAML', () => {
    const read = readObjects('apiVersion: v1\nkind: Node\nmetadata: {name: n}\n---\na: [', 'f')
    expect(read).toMatchObject({ objects: [], isUnreadable: true })
  })

  it('refuses aliases that multiply', () => {
    const levels = Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}, *a${i}, *a${i}]`)
    expect(problemsOf(['a0: &a0 [x]', ...levels].join('\n'))).toEqual([
      'f.yaml:1: is no YAML: Excessive alias count indicates a resource exhaustion attack',
    ])
  })

  it('answers any text without throwing', () => {
    const words = [
      'apiVersion: v1\n',
      'kind: Pod\n',
      'kind: List\n',
      'items:\n',
      '- ',
      'metadata: {name: a}\n',
      '---\n',
      '&a ',
      '*a',
      'spec: ',
      '{',
      '}',
      '[',
      ']',
      '\n',
      ' ',
      'null',
      '<<: ',
    ]
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 6 })), { maxLength: 30 }),
        (parts) => {
          const read = readObjects(parts.join(''), 'f')
          expect(read.problems.length).toBeLessThanOrEqual(100)
        },
      ),
    )
  })
})
