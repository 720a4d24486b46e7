import { mtls, namespace, pod, policy, service } from './case-objects.ts'
import type { Cases } from './cases.ts'

const web = pod('web-1', '10.0.1.1')
const selector = { matchLabels: { app: 'web' } }
const from = (source: object): object => ({ from: [{ source }] })
const to = (operation: object): object => ({ to: [{ operation }] })
const when = (key: string, values: readonly string[]): object => ({ when: [{ key, values }] })
const denying = (...rules: object[]): object => ({ action: 'DENY', rules })
const allowing = (...rules: object[]): object => ({ action: 'ALLOW', rules })
const system = { namespace: 'istio-system' }

export const policyCases: Cases = {
  'a policy that allows nothing': [policy('p', {}), web],
  'a policy that allows everything': [policy('p', allowing({})), web],
  'a policy that denies everything': [policy('p', denying({})), web],
  'a policy that denies nothing': [policy('p', { action: 'DENY' }), web],
  'a policy without an action': [policy('p', { rules: [from({ namespaces: ['a'] })] })],
  'a policy with a selector': [policy('p', { selector, ...denying({}) }), web, pod('w', '10.0.1.2', { labels: {} })],
  'a policy with an empty selector': [policy('p', { selector: {}, ...denying({}) }), web],
  'a policy that selects by two labels': [
    policy('p', { selector: { matchLabels: { app: 'web', tier: 'a' } }, ...denying({}) }),
    web,
    pod('web-2', '10.0.1.2', { labels: { app: 'web', tier: 'a' } }),
  ],
  'policies of the root namespace': [
    policy('p', denying({}), system),
    policy('q', { selector, ...denying({}) }, system),
    web,
  ],
  'policies in order of their names': [
    policy('z', { selector, ...denying({}) }),
    policy('a', { selector, ...allowing({}) }),
    policy('m', { selector, ...denying({}) }, system),
    web,
  ],
  'a policy of another namespace': [
    namespace('other'),
    policy('p', { selector, ...denying({}) }, { namespace: 'other' }),
    web,
  ],
  'principals in every form': [
    policy(
      'p',
      allowing(from({ principals: ['*', '*/sa/web', 'cluster.local/*', 'cluster.local/ns/a/sa/b', 'spiffe://x/y'] })),
    ),
  ],
  'principals that are excluded': [policy('p', denying(from({ notPrincipals: ['*', 'cluster.local/ns/a/sa/b'] })))],
  'namespaces in every form': [
    policy('p', allowing(from({ namespaces: ['*', 'a*', '*b', 'c'], notNamespaces: ['d'] }))),
  ],
  'service accounts': [
    policy('p', allowing(from({ serviceAccounts: ['web', 'other/web'], notServiceAccounts: ['bad'] }))),
  ],
  'blocks of addresses': [
    policy(
      'p',
      allowing(
        from({ ipBlocks: ['10.0.0.0/8', '10.1.2.3', 'fd00::/16', '10.1.2.3/24'], notIpBlocks: ['10.9.0.0/16'] }),
      ),
    ),
  ],
  ports: [policy('p', allowing(to({ ports: ['80', '443'], notPorts: ['81'] })))],
  'a source and an operation': [policy('p', allowing({ ...from({ namespaces: ['a'] }), ...to({ ports: ['80'] }) }))],
  'several sources, operations and rules': [
    policy(
      'p',
      denying(
        { from: [{ source: { namespaces: ['a'] } }, { source: { ipBlocks: ['10.0.0.0/8'] } }] },
        {
          to: [{ operation: { ports: ['80'] } }, { operation: { ports: ['81'] } }],
          ...when('source.namespace', ['b']),
        },
      ),
    ),
  ],
  'every condition of addresses and ports': [
    policy(
      'p',
      allowing({
        when: [
          { key: 'source.ip', values: ['10.0.0.0/8'], notValues: ['10.1.0.0/16'] },
          { key: 'source.namespace', values: ['a*'], notValues: ['ab'] },
          { key: 'source.principal', values: ['cluster.local/ns/a/sa/b'] },
          { key: 'destination.ip', values: ['10.0.1.0/24'] },
          { key: 'destination.port', values: ['80'], notValues: ['81'] },
        ],
      }),
    ),
  ],
  'a condition of HTTP that allows': [policy('p', allowing(when('request.headers[x]', ['1'])))],
  'a condition of HTTP that denies': [policy('p', denying(when('request.headers[x]', ['1'])))],
  'a condition of the server’s name that denies': [policy('p', denying(when('connection.sni', ['a.example'])))],
  'a condition of the first address that denies': [policy('p', denying(when('remote.ip', ['10.0.0.0/8'])))],
  'a condition of the service account': [policy('p', denying(when('source.serviceAccount', ['shop/web'])))],
  'a condition of the trust domain': [policy('p', denying(when('source.trustDomain', ['x'])))],
  'methods that are allowed': [policy('p', allowing(to({ methods: ['GET'] }), from({ namespaces: ['a'] })))],
  'methods that are denied': [policy('p', denying(to({ methods: ['GET'] })))],
  'methods and a port that are denied': [policy('p', denying(to({ methods: ['GET'], ports: ['80'] })))],
  'paths and a source that are denied': [
    policy('p', denying({ ...from({ namespaces: ['a'] }), ...to({ paths: ['/x'] }) })),
  ],
  'hosts beside ports that are denied': [
    policy('p', denying({ to: [{ operation: { hosts: ['h'] } }, { operation: { ports: ['80'] } }] })),
  ],
  'request principals that are allowed': [policy('p', allowing(from({ requestPrincipals: ['*'] })))],
  'remote addresses that are denied beside namespaces': [
    policy('p', denying(from({ remoteIpBlocks: ['10.0.0.0/8'], namespaces: ['a'] }))),
  ],
  'an audit': [policy('p', { action: 'AUDIT', rules: [{}] })],
  'a question to an extension': [policy('p', { action: 'CUSTOM', provider: { name: 'x' }, rules: [{}] })],
  'a dry run': [policy('p', denying({}), { annotations: { 'istio.io/dry-run': 'true' } })],
  'no dry run': [policy('p', denying({}), { annotations: { 'istio.io/dry-run': 'false' } })],
  'a policy for a service': [
    policy('p', { targetRefs: [{ kind: 'Service', group: '', name: 'web' }], ...denying({}) }),
    service('web'),
  ],
  'a policy for a gateway': [
    policy('p', {
      targetRefs: [{ kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'waypoint' }],
      ...denying({}),
    }),
  ],

  'a mesh that is strict': [mtls('default', { mtls: { mode: 'STRICT' } }, system), web],
  'a mesh that is permissive': [mtls('default', { mtls: { mode: 'PERMISSIVE' } }, system), web],
  'a namespace that is permissive in a strict mesh': [
    mtls('default', { mtls: { mode: 'STRICT' } }, system),
    mtls('default', { mtls: { mode: 'PERMISSIVE' } }),
    web,
  ],
  'a namespace that is strict by an empty selector': [mtls('default', { selector: {}, mtls: { mode: 'STRICT' } }), web],
  'a workload that is disabled in a strict namespace': [
    mtls('default', { mtls: { mode: 'STRICT' } }),
    mtls('own', { selector, mtls: { mode: 'DISABLE' } }),
    web,
  ],
  'a workload that is strict': [mtls('own', { selector, mtls: { mode: 'STRICT' } }), web],
  'a workload that is strict but for two ports': [
    mtls('own', {
      selector,
      mtls: { mode: 'STRICT' },
      portLevelMtls: { 9090: { mode: 'PERMISSIVE' }, 8080: { mode: 'DISABLE' } },
    }),
    web,
  ],
  'a workload that is permissive but for two ports': [
    mtls('own', {
      selector,
      mtls: { mode: 'PERMISSIVE' },
      portLevelMtls: { 9090: { mode: 'STRICT' }, 8080: { mode: 'STRICT' } },
    }),
    web,
  ],
  'ports only, in a namespace that says nothing': [
    mtls('own', { selector, portLevelMtls: { 8080: { mode: 'STRICT' } } }),
    web,
  ],
  'ports that are open by DISABLE in a strict namespace': [
    mtls('default', { mtls: { mode: 'STRICT' } }),
    mtls('own', { selector, portLevelMtls: { 8080: { mode: 'DISABLE' } } }),
    web,
  ],
  'ports that are open in a strict mesh': [
    mtls('default', { mtls: { mode: 'STRICT' } }, system),
    mtls('own', { selector, portLevelMtls: { 8080: { mode: 'PERMISSIVE' } } }),
    web,
  ],
  'ports that say UNSET': [
    mtls('own', { selector, mtls: { mode: 'STRICT' }, portLevelMtls: { 8080: { mode: 'UNSET' } } }),
    web,
  ],
  'a selector in the root namespace': [mtls('own', { selector, mtls: { mode: 'STRICT' } }, system), web],
  'the older of two, first in the alphabet': [
    mtls('a', { mtls: { mode: 'STRICT' } }, { creationTimestamp: '2026-01-01T00:00:00Z' }),
    mtls('b', { mtls: { mode: 'PERMISSIVE' } }, { creationTimestamp: '2026-02-01T00:00:00Z' }),
    web,
  ],
  'the older of two, last in the alphabet': [
    mtls('a', { mtls: { mode: 'PERMISSIVE' } }, { creationTimestamp: '2026-02-01T00:00:00Z' }),
    mtls('b', { mtls: { mode: 'STRICT' } }, { creationTimestamp: '2026-01-01T00:00:00Z' }),
    web,
  ],
  'two workload policies of different ages': [
    mtls('a', { selector, mtls: { mode: 'PERMISSIVE' } }, { creationTimestamp: '2026-02-01T00:00:00Z' }),
    mtls('b', { selector, mtls: { mode: 'STRICT' } }, { creationTimestamp: '2026-01-01T00:00:00Z' }),
    web,
  ],
  'a strict workload beside policies': [
    policy('p', { selector, ...allowing({}) }),
    mtls('own', { selector, mtls: { mode: 'STRICT' } }),
    web,
  ],
}
