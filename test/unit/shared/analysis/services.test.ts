import { describe, expect, it } from 'vitest'
import { services } from '../../../../src/shared/analysis/services.ts'
import { findingsOf, WEB } from '../../../support/analysed.ts'

const service = (spec: string): string => `${WEB}---\nkind: Service\nmetadata: {name: s}\nspec: ${spec}\n`
const at = 'Service shop/s'

const table: readonly (readonly [what: string, yaml: string, found: readonly string[]])[] = [
  ['a named port', WEB, []],
  ['a selector that matches nothing', service('{selector: {app: wob}, ports: []}'), [`AMB0401 ${at} spec.selector`]],
  ['no selector', service('{ports: [{port: 1, appProtocol: tcp}]}'), []],
  ['a port without a name', service('{ports: [{port: 1}]}'), [`IST0118 ${at} spec.ports[0]`]],
  ['a port whose name tells no protocol', service('{ports: [{port: 1, name: web}]}'), [`IST0118 ${at} spec.ports[0]`]],
  [
    'a port whose name only begins like one',
    service('{ports: [{port: 1, name: httpx}]}'),
    [`IST0118 ${at} spec.ports[0]`],
  ],
  [
    'a port whose name begins with a protocol',
    service('{ports: [{port: 1, name: grpc-web}, {port: 2, name: http2-x}]}'),
    [],
  ],
  [
    'a port without a name, of the cluster itself',
    'kind: Service\nmetadata: {name: s, namespace: kube-system}\nspec: {ports: [{port: 1}]}',
    [],
  ],
  ['a port of UDP', service('{ports: [{port: 53, protocol: UDP}]}'), []],
  [
    'a target port that no container has',
    service('{selector: {app: web}, ports: [{port: 80, name: http, targetPort: main}]}'),
    [`AMB0402 ${at} spec.ports[0].targetPort`],
  ],
  [
    'another port for the same target',
    service('{selector: {app: web}, ports: [{port: 81, name: http, targetPort: http}]}'),
    ['IST0137 Deployment shop/web'],
  ],
  [
    'the same port with another protocol',
    service('{selector: {app: web}, ports: [{port: 80, name: tcp, targetPort: 9}]}'),
    ['IST0116 Deployment shop/web'],
  ],
  [
    'the same port and protocol',
    service('{selector: {app: web}, ports: [{port: 80, name: http-too, targetPort: http}]}'),
    [],
  ],
]

describe('a service with', () => {
  it.each(table)('%s', (_what, yaml, found) => expect(findingsOf(services, yaml)).toEqual(found))
})
