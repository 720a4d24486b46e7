import { describe, expect, it } from 'vitest'
import { proxyTable, readSyncz } from '../../../../src/cli/print/index.ts'

const own = {
  proxy: 'ztunnel~10.0.0.1~ztunnel-a.istio-system~istio-system.svc.cluster.local',
  nodeName: 'node-a',
  cluster_id: 'Kubernetes',
  istio_version: '1.30',
  types: [
    {
      typeUrl: 'type.googleapis.com/istio.workload.Address',
      state: 'SYNCED',
      lagMs: 0,
      sentNonce: '1',
      ackedNonce: '1',
    },
    {
      typeUrl: 'type.googleapis.com/istio.security.Authorization',
      state: 'NACKED',
      lagMs: 0,
      sentNonce: '2',
      ackedNonce: '2',
      refusal: { message: 'bad' },
    },
    { typeUrl: 'x/y.Z', state: 'NOT SENT', lagMs: 12 },
  ],
}
const istio = {
  cluster_id: 'Kubernetes',
  proxy: 'waypoint-1.shop',
  proxy_type: 'waypoint',
  istio_version: '1.30.1',
  cluster_sent: 'a',
  cluster_acked: 'a',
  listener_sent: 'b',
  listener_acked: 'a',
  resources: {
    'type.googleapis.com/istio.workload.Address': { sent: 'c', acked: 'c' },
    'type.googleapis.com/istio.security.Authorization': { sent: 'd', acked: 'd', lastError: 'bad' },
  },
}

describe('the state of proxies', () => {
  it("is read from istiod-lite's dump, type by type", () => {
    expect(readSyncz(JSON.stringify([own]), 'istiod-lite')).toEqual([
      {
        name: 'ztunnel-a.istio-system',
        kind: 'ztunnel',
        node: 'node-a',
        cluster: 'Kubernetes',
        version: '1.30',
        istiod: 'istiod-lite',
        types: [
          { type: 'Address', sent: '1', acked: '1', state: 'SYNCED', lagMs: 0, reason: '' },
          { type: 'Authorization', sent: '2', acked: '2', state: 'NACKED', lagMs: 0, reason: 'bad' },
          { type: 'Z', sent: '', acked: '', state: 'NOT SENT', lagMs: 12, reason: '' },
        ],
      },
    ])
  })

  it("is read from Istio's dump, which has keys for the types", () => {
    expect(readSyncz(JSON.stringify([istio]), 'istiod-1')).toMatchObject([
      {
        name: 'waypoint-1.shop',
        kind: 'waypoint',
        version: '1.30.1',
        types: [
          { type: 'CDS', state: 'SYNCED' },
          { type: 'LDS', sent: 'b', acked: 'a', state: 'STALE' },
          { type: 'Address', state: 'SYNCED', lagMs: undefined },
          { type: 'Authorization', state: 'NACKED', reason: 'bad' },
        ],
      },
    ])
  })

  it('is empty where nothing is said, and refused where it is something else', () => {
    expect(readSyncz('[null, 1, {}]', 'x').flatMap(({ types }) => types)).toEqual([])
    for (const text of ['', 'null', '{}', 'not found'])
      expect(() => readSyncz(text, 'x')).toThrow('no list of proxies of x')
  })

  it('is a line for each type', () => {
    const lines = proxyTable([
      ...readSyncz(JSON.stringify([own]), 'istiod-lite'),
      ...readSyncz(JSON.stringify([{ proxy: 'new' }]), 'b'),
    ])
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/ +/g, ' '))
    expect(lines).toEqual([
      'NAME KIND NODE CLUSTER TYPE SENT ACKED STATUS LAG ISTIOD VERSION',
      'ztunnel-a.istio-system ztunnel node-a Kubernetes Address 1 1 SYNCED 0ms istiod-lite 1.30',
      'ztunnel-a.istio-system ztunnel node-a Kubernetes Authorization 2 2 NACKED 0ms istiod-lite 1.30 bad',
      'ztunnel-a.istio-system ztunnel node-a Kubernetes Z - - NOT SENT 12ms istiod-lite 1.30',
      'new - - - - - - NOT SENT - b -',
    ])
  })
})
