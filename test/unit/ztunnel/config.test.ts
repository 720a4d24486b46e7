import { describe, expect, it } from 'vitest'
import type { ConfigError } from '#shared/config'
import { readZtunnelConfig } from '../../../src/ztunnel/config.ts'

const ISTIOD = 'https://istiod.istio-system.svc:15012'

describe('readZtunnelConfig', () => {
  it.each([
    [{}, 'https://localhost:15012', 'https://localhost:15012'],
    [{ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, ISTIOD, ISTIOD],
    [{ XDS_ADDRESS: 'istiod:15012', CA_ADDRESS: 'http://ca:1' }, 'https://istiod:15012', 'http://ca:1'],
    [{ XDS_ADDRESS: '' }, undefined, 'https://localhost:15012'],
    [{ PROXY_CONFIG: 'discoveryAddress: a:1' }, 'https://a:1', 'https://localhost:15012'],
    [{ PROXY_CONFIG: 'discoveryAddress: a:1', XDS_ADDRESS: 'b:1' }, 'https://b:1', 'https://localhost:15012'],
  ])('%j leads to control plane %s and authority %s', (env, xdsAddress, caAddress) => {
    expect(readZtunnelConfig(env, [])).toMatchObject({ xdsAddress, caAddress })
  })

  it("has Istio's defaults", () => {
    expect(readZtunnelConfig({}, [])).toMatchObject({
      adminPort: 15_000,
      statsPort: 15_020,
      readinessPort: 15_021,
      clusterId: 'Kubernetes',
      network: '',
      nodeName: undefined,
      packetMark: 1337,
      poolMaxStreamsPerConnection: 100,
      poolUnusedReleaseTimeoutMs: 300_000,
      http2StreamWindowBytes: 4_194_304,
      http2ConnectionWindowBytes: 16_777_216,
      http2FrameBytes: 1_048_576,
      secretTtlMs: 86_400_000,
      sourceKeeping: 'if-possible',
      keepAliveTimeMs: 180_000,
      inpodUds: '/var/run/ztunnel/ztunnel.sock',
      proxyConfig: { proxyMetadata: {} },
    })
  })

  it('takes ports and metadata from PROXY_CONFIG, and ports of its own before them', () => {
    const env = {
      PROXY_CONFIG: 'proxyAdminPort: 16000\nstatsPort: 16020\nproxyMetadata: { A: 1 }',
      AMBIT_STATS_PORT: '0',
      ISTIO_META_X: 'y',
    }
    expect(readZtunnelConfig(env, [])).toMatchObject({
      adminPort: 16_000,
      statsPort: 0,
      proxyConfig: { proxyMetadata: { A: '1' } },
      nodeMetadata: { X: 'y' },
    })
  })

  it.each([
    ['ENABLE_ORIG_SRC', 'maybe', 'must be true or false'],
    ['PROXY_CONFIG', 'proxyAdminPort: many', 'proxyAdminPort must be a port'],
    ['PROXY_CONFIG', '[]', 'must be a YAML object'],
    ['PROXY_MODE', 'dedicated', 'only the shared mode is there, one tunnel for all pods of a node'],
    ['FAKE_CA', 'true', 'there is no built-in certificate authority'],
    ['UNSTABLE_ENABLE_SOCKS5', 'true', 'there is no SOCKS5 listener'],
    [
      'ISTIO_META_DNS_PROXY_ADDR',
      'localhost:53',
      "DNS is answered where the pods' redirect leads, on port 15053 of their loopback",
    ],
    ['CLUSTER_DOMAIN', 'a..b', 'must be a domain name'],
    ['HTTP2_FRAME_SIZE', '16383', 'must be a whole number from 16384 to 16777215'],
  ])('refuses %s=%s by name', (name, value, reason) => {
    try {
      readZtunnelConfig({ [name]: value }, [])
      expect.unreachable()
    } catch (error) {
      expect((error as ConfigError).problems).toEqual([{ name, value, reason }])
    }
  })

  it.each([
    [{}, true],
    [{ ISTIO_META_DNS_CAPTURE: 'TRUE' }, true],
    [{ ISTIO_META_DNS_CAPTURE: 'false' }, false],
    [{ ISTIO_META_DNS_CAPTURE: 'yes' }, false],
    [{ PROXY_CONFIG: 'proxyMetadata: { ISTIO_META_DNS_CAPTURE: false }' }, false],
    [{ PROXY_CONFIG: 'proxyMetadata: { ISTIO_META_DNS_CAPTURE: false }', ISTIO_META_DNS_CAPTURE: 'true' }, true],
    [{ XDS_ON_DEMAND: 'true' }, false],
    [{ XDS_ON_DEMAND: 'true', ISTIO_META_DNS_CAPTURE: 'false' }, false],
  ])('with %j answers DNS: %s', (env, isDnsCaptured) => {
    expect(readZtunnelConfig(env, []).isDnsCaptured).toBe(isDnsCaptured)
  })

  it('refuses DNS for a mesh of which it knows only what connections asked for', () => {
    const env = { XDS_ON_DEMAND: 'true', ISTIO_META_DNS_CAPTURE: 'true' }
    expect(() => readZtunnelConfig(env, [])).toThrow('XDS_ON_DEMAND="true" excludes ISTIO_META_DNS_CAPTURE')
  })
})
