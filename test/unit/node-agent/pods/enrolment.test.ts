import { describe, expect, it } from 'vitest'
import type { Pod } from '#shared/k8s'
import { type EnrolmentSettings, planPod } from '../../../../src/node-agent/pods/index.ts'

const settings: EnrolmentSettings = {
  nodeName: 'n1',
  excludedNamespaces: new Set(['kube-system']),
  isDnsCaptured: false,
}
const ambient = { 'istio.io/dataplane-mode': 'ambient' }
const none = { 'istio.io/dataplane-mode': 'none' }

interface PodText {
  readonly labels?: object
  readonly annotations?: object
  readonly spec?: object
  readonly status?: object
  readonly namespace?: string
}

/** As the source of objects gives it. */
function podOf({ labels = {}, annotations = {}, spec = {}, status = {}, namespace = 'shop' }: PodText): Pod {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'web',
      generateName: '',
      namespace,
      uid: 'u1',
      labels: labels as Record<string, string>,
      annotations: annotations as Record<string, string>,
      creationTimestamp: undefined,
      deletionTimestamp: undefined,
      generation: undefined,
      ownerReferences: [],
    },
    spec: {
      nodeName: 'n1',
      serviceAccountName: 'sa',
      hostNetwork: false,
      containers: [],
      initContainers: [],
      ...spec,
    },
    status: { phase: 'Running', podIPs: [], conditions: [], ...status },
  }
  return pod
}

describe('the plan for a pod', () => {
  it.each<{ what: string; pod: PodText; namespaceLabels?: Record<string, string>; outcome: string }>([
    { what: 'captures what its namespace enrols', pod: {}, namespaceLabels: ambient, outcome: 'capture' },
    { what: 'captures what its own label enrols', pod: { labels: ambient }, outcome: 'capture' },
    {
      what: 'captures a pod against its namespace',
      pod: { labels: ambient },
      namespaceLabels: none,
      outcome: 'capture',
    },
    {
      what: 'captures a pod that is still pending',
      pod: { labels: ambient, status: { phase: 'Pending' } },
      outcome: 'capture',
    },
    { what: 'leaves what nobody enrols', pod: {}, outcome: 'leave: not-labelled' },
    {
      what: 'leaves a pod that opts out',
      pod: { labels: none },
      namespaceLabels: ambient,
      outcome: 'leave: pod-opted-out',
    },
    {
      what: 'leaves an unknown mode',
      pod: { labels: { 'istio.io/dataplane-mode': 'other' } },
      outcome: 'leave: not-labelled',
    },
    {
      what: 'leaves the host network',
      pod: { labels: ambient, spec: { hostNetwork: true } },
      outcome: 'leave: host-network',
    },
    {
      what: 'leaves a pod with a sidecar',
      pod: { labels: ambient, annotations: { 'sidecar.istio.io/status': '' } },
      outcome: 'leave: sidecar',
    },
    {
      what: 'leaves an excluded namespace',
      pod: { labels: ambient, namespace: 'kube-system' },
      outcome: 'leave: excluded-namespace',
    },
    {
      what: 'leaves a pod that has succeeded',
      pod: { labels: ambient, status: { phase: 'Succeeded' } },
      outcome: 'leave: ended (ended)',
    },
    {
      what: 'leaves a pod that has failed',
      pod: { labels: ambient, status: { phase: 'Failed' } },
      outcome: 'leave: ended (ended)',
    },
    {
      what: 'leaves the tunnel',
      pod: { labels: { app: 'ztunnel' } },
      namespaceLabels: ambient,
      outcome: 'leave: tunnel',
    },
    {
      what: 'says nothing of pods of other nodes',
      pod: { labels: ambient, spec: { nodeName: 'n2' } },
      outcome: 'nothing',
    },
    { what: 'says nothing of pods without node', pod: { labels: ambient, spec: { nodeName: '' } }, outcome: 'nothing' },
  ])('$what', ({ pod, namespaceLabels, outcome }) => {
    const plan = planPod(podOf(pod), namespaceLabels ?? {}, settings)
    const text =
      plan === undefined
        ? 'nothing'
        : plan.kind === 'capture'
          ? 'capture'
          : `leave: ${plan.because}${plan.hasEnded ? ' (ended)' : ''}`
    expect(text).toBe(outcome)
  })

  it('says who the pod is', () => {
    expect(planPod(podOf({ labels: ambient, status: { podIPs: ['10.0.0.1', 'fd00::1'] } }), {}, settings)).toEqual({
      kind: 'capture',
      pod: {
        uid: 'u1',
        info: { name: 'web', namespace: 'shop', serviceAccount: 'sa' },
        ips: ['10.0.0.1', 'fd00::1'],
        inbound: 'captured',
        isDnsCaptured: false,
        virtualInterfaces: [],
      },
    })
  })

  it.each([
    { text: 'true', inbound: 'bypassed' },
    { text: '1', inbound: 'bypassed' },
    { text: 'T', inbound: 'bypassed' },
    { text: 'false', inbound: 'captured' },
    { text: 'yes', inbound: 'captured' },
    { text: '', inbound: 'captured' },
  ])('reads bypass-inbound-capture $text as Go does', ({ text, inbound }) => {
    const annotations = { 'ambient.istio.io/bypass-inbound-capture': text }
    expect(planPod(podOf({ labels: ambient, annotations }), {}, settings)).toMatchObject({ pod: { inbound } })
  })

  it.each([
    { node: true, text: undefined, isDnsCaptured: true },
    { node: true, text: 'false', isDnsCaptured: false },
    { node: true, text: 'nonsense', isDnsCaptured: true },
    { node: false, text: undefined, isDnsCaptured: false },
    { node: false, text: 'true', isDnsCaptured: true },
    { node: false, text: 'nonsense', isDnsCaptured: false },
  ])(
    'captures DNS ($isDnsCaptured) when the node does ($node) and the pod says $text',
    ({ node, text, isDnsCaptured }) => {
      const annotations = text === undefined ? {} : { 'ambient.istio.io/dns-capture': text }
      const plan = planPod(podOf({ labels: ambient, annotations }), {}, { ...settings, isDnsCaptured: node })
      expect(plan).toMatchObject({ pod: { isDnsCaptured } })
    },
  )

  it('reads virtual interfaces as a list', () => {
    const annotations = { 'istio.io/reroute-virtual-interfaces': ' tap0, ,tap1 ' }
    const plan = planPod(podOf({ labels: ambient, annotations }), {}, settings)
    expect(plan).toMatchObject({ pod: { virtualInterfaces: ['tap0', 'tap1'] } })
  })
})
