import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ApiObject } from '../../../../src/local/apiserver/index.ts'
import { serviceLinks } from '../../../../src/local/pod-plan/service-links.ts'

const service = (namespace: string, name: string, spec: object): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec,
})
const api = service('default', 'kubernetes', { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443 }] })
const redis = service('shop', 'redis-main', {
  clusterIP: '10.96.1.1',
  ports: [
    { name: 'client', port: 6379, protocol: 'TCP' },
    { name: 'gossip-udp', port: 53, protocol: 'UDP' },
  ],
})

describe('service links', () => {
  it('are the variables that Kubernetes gives for each service of the namespace', () => {
    expect(serviceLinks([redis], 'shop', true)).toEqual({
      REDIS_MAIN_SERVICE_HOST: '10.96.1.1',
      REDIS_MAIN_SERVICE_PORT: '6379',
      REDIS_MAIN_SERVICE_PORT_CLIENT: '6379',
      REDIS_MAIN_SERVICE_PORT_GOSSIP_UDP: '53',
      REDIS_MAIN_PORT: 'tcp://10.96.1.1:6379',
      REDIS_MAIN_PORT_6379_TCP: 'tcp://10.96.1.1:6379',
      REDIS_MAIN_PORT_6379_TCP_PROTO: 'tcp',
      REDIS_MAIN_PORT_6379_TCP_PORT: '6379',
      REDIS_MAIN_PORT_6379_TCP_ADDR: '10.96.1.1',
      REDIS_MAIN_PORT_53_UDP: 'udp://10.96.1.1:53',
      REDIS_MAIN_PORT_53_UDP_PROTO: 'udp',
      REDIS_MAIN_PORT_53_UDP_PORT: '53',
      REDIS_MAIN_PORT_53_UDP_ADDR: '10.96.1.1',
    })
  })

  it.each([
    ['of the API in every namespace', 'shop', true, ['KUBERNETES', 'REDIS']],
    ['of the API alone, when the pod wants no links', 'shop', false, ['KUBERNETES']],
    ['of no other namespace', 'other', true, ['KUBERNETES']],
  ])('are those %s', (_what, namespace, wanted, prefixes) => {
    const names = Object.keys(serviceLinks([api, redis], namespace, wanted))
    expect([...new Set(names.map((name) => name.split('_', 1)[0]))]).toEqual(prefixes)
  })

  it('of the own namespace hide the API when they are called like it', () => {
    const own = service('shop', 'kubernetes', { clusterIP: '10.96.9.9', ports: [{ port: 1 }] })
    expect(serviceLinks([own, api], 'shop', true).KUBERNETES_SERVICE_HOST).toBe('10.96.9.9')
    expect(serviceLinks([own, api], 'shop', false).KUBERNETES_SERVICE_HOST).toBe('10.96.0.1')
  })

  it('put an IPv6 address into brackets in what is an address with a port', () => {
    const six = service('shop', 's', { clusterIP: 'fd00::1', ports: [{ port: 80 }] })
    expect(serviceLinks([six], 'shop', true)).toMatchObject({ S_SERVICE_HOST: 'fd00::1', S_PORT: 'tcp://[fd00::1]:80' })
  })

  it.each([
    ['headless', { clusterIP: 'None', ports: [{ port: 1 }] }],
    ['without an address', { ports: [{ port: 1 }] }],
    ['of another name', { type: 'ExternalName', clusterIP: '1.2.3.4', ports: [{ port: 1 }] }],
    ['without ports', { clusterIP: '1.2.3.4' }],
  ])('leave out a service that is %s', (_what, spec) => {
    expect(serviceLinks([service('shop', 's', spec)], 'shop', true)).toEqual({})
  })

  it('are names that a shell takes, for any service name', () => {
    const names = fc.stringMatching(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/)
    fc.assert(
      fc.property(names, names, (name, port) => {
        const links = serviceLinks(
          [service('n', name, { clusterIP: '1.2.3.4', ports: [{ name: port, port: 1 }] })],
          'n',
          true,
        )
        for (const variable of Object.keys(links)) expect(variable).toMatch(/^[A-Z_][A-Z0-9_]*$/)
      }),
    )
  })
})
