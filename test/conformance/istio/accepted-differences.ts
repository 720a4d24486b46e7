/** Where istiod-lite tells tunnels other than istiod does, and why. A case that no longer differs so fails. */
export interface AcceptedDifference {
  readonly why: string
  /** Case, or folder of test/golden → lines as the comparison words them. */
  readonly of: Readonly<Record<string, readonly string[]>>
}

const POD = 'Address Kubernetes//Pod/shop/web-1'
const SERVICE_OF_POD = `${POD} .services .shop/web.shop.svc.cluster.local: istiod undefined, istiod-lite`

/** Lines about the endpoint of slice `web-abc` at `ip`; `place` are those of its node. */
function slice(ip: string, place: readonly string[] = []): readonly string[] {
  const at = `Address Kubernetes/discovery.k8s.io/EndpointSlice/shop/web-abc/${ip}`
  return [
    `${at} .canonicalName: istiod "", istiod-lite "web"`,
    `${at} .canonicalRevision: istiod "", istiod-lite "latest"`,
    `${at} .workloadName: istiod "", istiod-lite "web-abc"`,
    `${at} .workloadType: istiod "deployment", istiod-lite "pod"`,
    ...place.map((line) => `${at} ${line}`),
  ]
}

const inline = (address: string): string => `Address Kubernetes/networking.istio.io/ServiceEntry/shop/ext/${address}`
function waypoint(name: string): string {
  const destination = { kind: 'hostname', namespace: 'shop', hostname: `${name}.shop.svc.cluster.local` }
  return JSON.stringify({ destination, hboneMtlsPort: 15_008 })
}

export const acceptedDifferences: readonly AcceptedDifference[] = [
  {
    why: 'A strict mesh, a namespace that says nothing and a port that is open: istiod names a policy that it never sends, so that nothing is strict. Ours is sent.',
    of: {
      'mtls-open-port-under-unset-namespace': [
        'Authorization shop/converted_peer_authentication_own: only istiod-lite sends it',
      ],
    },
  },
  {
    why: 'A port whose mode is DISABLE is open as its author wrote it; istiod overlooks it when it attaches the policy.',
    of: {
      'ports that are open by DISABLE in a strict namespace': [
        `${POD} .authorizationPolicies: istiod ["istio-system/istio_converted_static_strict"], istiod-lite ["shop/converted_peer_authentication_own"]`,
      ],
    },
  },
  {
    why: 'The wire cannot tell trust domains. Istiod drops them, which widens an ALLOW rule; ours leaves the rule out.',
    of: {
      'policy-trust-domains': [
        'Authorization shop/p .rules: istiod [[[{"namespaces":[{"kind":"exact","value":"a"}]}]]], istiod-lite []',
      ],
    },
  },
  {
    why: 'Of an endpoint that is no pod istiod tells the address only. Ours tells its names, so that metrics have them, and where its node stands, so that preferences for what is near hold for it too.',
    of: {
      'policy-not-for-slice-endpoints': slice('192.168.7.1'),
      'service-slice-addresses': [
        ...slice('192.168.7.1', [
          '.locality .region: istiod "", istiod-lite "eu"',
          '.locality .subzone: istiod "", istiod-lite "rack-7"',
          '.locality .zone: istiod "", istiod-lite "eu-1"',
          '.node: istiod "", istiod-lite "node-b"',
        ]),
        ...slice('192.168.7.2'),
        ...slice('192.168.7.3'),
      ],
      'a slice with an address': slice('192.168.7.1', [
        '.locality .region: istiod "", istiod-lite "eu"',
        '.node: istiod "", istiod-lite "node-b"',
      ]),
      'a slice with addresses in every state': ['1', '2', '3', '4'].flatMap((last) => slice(`192.168.7.${last}`)),
      'a slice with IPv6 addresses': slice('fd00::7:1'),
      'a slice with addresses for a service with a selector': slice('192.168.7.1'),
      'a slice without ports': slice('192.168.7.1'),
      'a slice of a headless service': slice('192.168.7.1'),
    },
  },
  {
    why: 'Kubernetes sends the traffic of a service without a selector to the pods that its slices name. So does ours; istiod lists such pods under no service.',
    of: {
      'service-slice-names-pods': [`${SERVICE_OF_POD} [{"servicePort":80,"targetPort":8080}]`],
      'a slice that names a pod, for a service without a selector': [
        `${SERVICE_OF_POD} [{"servicePort":80,"targetPort":8080}]`,
      ],
      'a slice that names a pod, and a port by name': [`${SERVICE_OF_POD} [{"servicePort":80,"targetPort":8080}]`],
      'a slice that names a pod, and another port': [`${SERVICE_OF_POD} [{"servicePort":80,"targetPort":8080}]`],
      'a slice with a port of no name': [`${SERVICE_OF_POD} [{"servicePort":80,"targetPort":8080}]`],
      'a slice that names a pod that is not ready': [`${SERVICE_OF_POD} [{"servicePort":80,"targetPort":8080}]`],
      'a slice that names a pod, and one of two ports': [
        `${SERVICE_OF_POD} [{"servicePort":80,"targetPort":80},{"servicePort":81,"targetPort":81}]`,
      ],
      'two slices that name a pod': [
        `${SERVICE_OF_POD} [{"servicePort":80,"targetPort":80},{"servicePort":81,"targetPort":81}]`,
      ],
    },
  },
  {
    why: 'A network that is written for one endpoint of an entry is that endpoint’s. Istiod takes it for those after it, too.',
    of: {
      'entry-endpoint-network-of-cluster': [`${inline('198.51.100.2')} .network: istiod "away", istiod-lite "here"`],
    },
  },
  {
    why: 'An entry without labels is selected by no policy. Istiod lists every policy of its namespace for its endpoints, which are outside of the mesh and enforce none.',
    of: {
      'entry-endpoint-policies-without-labels': [
        `${inline('198.51.100.1')} .authorizationPolicies: istiod ["shop/p"], istiod-lite []`,
      ],
    },
  },
  {
    why: 'A waypoint for a service account is ours: istiod does not know the annotation, and has only labels.',
    of: {
      'waypoint-account': [`${POD} .waypoint: istiod undefined, istiod-lite ${waypoint('waypoint')}`],
      'waypoint-account-asked-by-others': [
        `Address Kubernetes//Pod/shop/cart-1 .waypoint: istiod ${waypoint('waypoint')}, istiod-lite undefined`,
      ],
      'waypoint-account-not-ready-no-fallback': [
        `${POD} .waypoint: istiod ${waypoint('common')}, istiod-lite undefined`,
      ],
      'waypoint-account-over-namespace': [
        `${POD} .waypoint .destination .hostname: istiod "common.shop.svc.cluster.local", istiod-lite "waypoint.shop.svc.cluster.local"`,
      ],
    },
  },
]
