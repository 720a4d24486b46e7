import { describe, expect, it } from 'vitest'
import { readZtunnelConfig } from '../../../src/ztunnel/config.ts'
import { caEndpoint, nodeIdentity, xdsEndpoint } from '../../../src/ztunnel/control-plane.ts'

describe('what the control plane sees of a node', () => {
  it('says who it is in four parts, and where it is in its metadata, later sources winning', () => {
    const env = {
      INSTANCE_IP: '10.0.0.9',
      POD_NAME: 'ztunnel-x',
      POD_NAMESPACE: 'istio-system',
      NODE_NAME: 'node-a',
      PROXY_CONFIG: 'proxyMetadata: { ISTIO_META_A: proxy, NAME: proxy }',
      ISTIO_META_CLUSTER_ID: 'c1',
      ISTIO_META_A: 'text',
      ISTIO_METAJSON_B: '{"c":[1,true,null]}',
    }
    expect(nodeIdentity(readZtunnelConfig(env, []))).toEqual({
      id: 'ztunnel~10.0.0.9~ztunnel-x.istio-system~istio-system.svc.cluster.local',
      metadata: {
        NAME: 'proxy',
        NAMESPACE: 'istio-system',
        INSTANCE_IPS: '10.0.0.9',
        NODE_NAME: 'node-a',
        CLUSTER_ID: 'c1',
        A: 'text',
        B: { c: [1, true, null] },
      },
    })
  })

  it.each([
    ['as it is set', { CLUSTER_ID: 'c2' }, 'c2'],
    ['by its default', {}, 'Kubernetes'],
  ])('names its cluster %s, for whoever lists proxies', (_how, env, clusterId) => {
    expect(nodeIdentity(readZtunnelConfig(env, [])).metadata).toMatchObject({ CLUSTER_ID: clusterId })
  })

  it('refuses metadata that is no JSON, by name', () => {
    const config = readZtunnelConfig({ ISTIO_METAJSON_B: '{' }, [])
    expect(() => nodeIdentity(config)).toThrow('ISTIO_METAJSON_B is no JSON')
  })
})

describe('where control plane and authority are', () => {
  it('reads addresses, roots, tokens and headers', () => {
    const env = {
      XDS_ADDRESS: 'istiod.example:15012',
      XDS_ROOT_CA: 'SYSTEM',
      ALT_XDS_HOSTNAME: 'other',
      XDS_HEADER_Team: 'mesh',
      CA_ADDRESS: 'https://[::1]:1234',
      CA_ROOT_CA: '-----BEGIN CERTIFICATE-----',
      AUTH_TOKEN: 'secret',
      CLUSTER_ID: 'c1',
    }
    const config = readZtunnelConfig(env, [])
    const common = { token: { kind: 'literal', token: 'secret' }, clusterId: 'c1', allowTls12: false }
    expect(xdsEndpoint(config, config.xdsAddress ?? '')).toEqual({
      ...common,
      host: 'istiod.example',
      port: 15_012,
      roots: { kind: 'system' },
      alternativeHost: 'other',
      headers: [['team', 'mesh']],
    })
    expect(caEndpoint(config)).toEqual({
      ...common,
      host: '::1',
      port: 1234,
      roots: { kind: 'pem', pem: '-----BEGIN CERTIFICATE-----' },
      alternativeHost: undefined,
      headers: [],
    })
  })

  it('refuses an address that is no https URL, by name', () => {
    expect(() => caEndpoint(readZtunnelConfig({ CA_ADDRESS: 'http://ca:1' }, []))).toThrow(
      'CA_ADDRESS="http://ca:1" is no https URL',
    )
  })
})
