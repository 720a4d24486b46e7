import type { Severity } from './types.ts'

/** A thing that is looked for. */
export interface CheckInfo {
  readonly name: string
  readonly severity: Severity
  /** What is wrong, in general. */
  readonly summary: string
  /** What to do. */
  readonly advice: string
}

/** Codes that begin with IST are Istio's, for what Istio's own analysis tells under them. docs/analyze.md shows this table. */
export const CHECKS = {
  IST0002: {
    name: 'Deprecated',
    severity: 'Warning',
    summary: 'A field that has a successor.',
    advice: 'Write its successor instead.',
  },
  IST0101: {
    name: 'ReferencedResourceNotFound',
    severity: 'Error',
    summary: 'A host, subset, gateway, namespace or object that is referred to does not exist.',
    advice:
      'Create it, or mend its name; a host in another namespace is written whole: name.namespace.svc.cluster.local.',
  },
  IST0109: {
    name: 'ConflictingMeshGatewayVirtualServiceHosts',
    severity: 'Error',
    summary: 'Several VirtualServices of the mesh have one host: only one of them counts.',
    advice: 'Merge them into one.',
  },
  IST0112: {
    name: 'VirtualServiceDestinationPortSelectorRequired',
    severity: 'Error',
    summary: 'A route to a service of several ports does not say which.',
    advice: 'Add port.number to the destination.',
  },
  IST0113: {
    name: 'MTLSPolicyConflict',
    severity: 'Error',
    summary: 'A DestinationRule says how to connect, and a PeerAuthentication refuses just that.',
    advice: 'Take tls out of the DestinationRule, or set it to ISTIO_MUTUAL.',
  },
  IST0116: {
    name: 'DeploymentAssociatedToMultipleServices',
    severity: 'Warning',
    summary: 'Services of one workload have the same port with different protocols.',
    advice: 'Give the port one protocol, or the services different ports.',
  },
  IST0118: {
    name: 'PortNameIsNotUnderNamingConvention',
    severity: 'Info',
    summary: 'The name of a port tells no protocol.',
    advice:
      'Set appProtocol, or begin the name with a protocol: http, http2, grpc, tcp, tls, https, mongo, mysql, redis.',
  },
  IST0122: {
    name: 'InvalidRegexp',
    severity: 'Warning',
    summary: 'A regular expression cannot be used.',
    advice: 'Write it in RE2 syntax: no look-around, no back-references.',
  },
  IST0123: {
    name: 'NamespaceMultipleInjectionLabels',
    severity: 'Warning',
    summary: 'A namespace has two labels that ask for sidecars.',
    advice: 'Leave one of istio-injection and istio.io/rev.',
  },
  IST0125: {
    name: 'InvalidAnnotation',
    severity: 'Warning',
    summary: 'A label or annotation of the mesh has a value that means nothing.',
    advice: 'Write one of the values that there are.',
  },
  IST0127: {
    name: 'NoMatchingWorkloadsFound',
    severity: 'Warning',
    summary: 'A selector matches no workload of its namespace.',
    advice: 'Compare it with the labels of the pods.',
  },
  IST0128: {
    name: 'NoServerCertificateVerificationDestinationLevel',
    severity: 'Warning',
    summary: 'A DestinationRule uses TLS and takes any certificate.',
    advice: 'Take insecureSkipVerify out, and name caCertificates where the system’s roots do not do.',
  },
  IST0129: {
    name: 'NoServerCertificateVerificationPortLevel',
    severity: 'Warning',
    summary: 'The same for one port.',
    advice: 'Take insecureSkipVerify out, and name caCertificates where the system’s roots do not do.',
  },
  IST0130: {
    name: 'VirtualServiceUnreachableRule',
    severity: 'Warning',
    summary: 'A route behind one that takes everything is never used.',
    advice: 'Put it in front, or take it out.',
  },
  IST0131: {
    name: 'VirtualServiceIneffectiveMatch',
    severity: 'Info',
    summary: 'A match that an earlier route has too never decides.',
    advice: 'Take one of the two out.',
  },
  IST0134: {
    name: 'ServiceEntryAddressesRequired',
    severity: 'Warning',
    summary: 'A TCP port of a ServiceEntry has no address by which it could be told from others.',
    advice: 'Give it addresses, or let one be allocated: resolution other than NONE, no opt-out label.',
  },
  IST0137: {
    name: 'DeploymentConflictingPorts',
    severity: 'Warning',
    summary: 'Services of one workload lead from different ports to one target port.',
    advice: 'Use one port for the target port.',
  },
  AMB0101: {
    name: 'SubsetWithoutWorkloads',
    severity: 'Warning',
    summary: 'The labels of a subset match no pod of its service.',
    advice: 'Compare them with the labels of the pods; requests to the subset fail.',
  },
  AMB0102: {
    name: 'WeightsWithoutEffect',
    severity: 'Error',
    summary: 'All weights of a route are 0.',
    advice: 'Give at least one destination a weight.',
  },
  AMB0201: {
    name: 'PolicyNotEnforcedByTunnel',
    severity: 'Warning',
    summary: 'A policy with HTTP fields is bound to workloads, where tunnels enforce it, which see no HTTP.',
    advice: 'Bind it to a Service or Gateway with targetRefs, and give that a waypoint.',
  },
  AMB0202: {
    name: 'PolicyTargetWithoutWaypoint',
    severity: 'Error',
    summary: 'A policy is bound to a Service that has no waypoint: nobody enforces it.',
    advice: 'Label the Service or its namespace with istio.io/use-waypoint.',
  },
  AMB0203: {
    name: 'RequestAuthenticationNotEnforced',
    severity: 'Error',
    summary: 'A RequestAuthentication is bound to workloads of the ambient mesh: nobody checks tokens.',
    advice: 'Bind it to a Service or Gateway with targetRefs, and give that a waypoint.',
  },
  AMB0204: {
    name: 'PolicyMatchesNothing',
    severity: 'Warning',
    summary: 'A DENY or CUSTOM policy without rules never matches.',
    advice: 'For everything, write rules: [{}].',
  },
  AMB0205: {
    name: 'PrincipalWithScheme',
    severity: 'Error',
    summary: 'A principal of a policy begins with spiffe://, and so never matches.',
    advice: 'Leave the scheme out: cluster.local/ns/NAMESPACE/sa/ACCOUNT.',
  },
  AMB0206: {
    name: 'PortLevelMtlsWithoutSelector',
    severity: 'Warning',
    summary: 'portLevelMtls counts only with a selector.',
    advice: 'Add spec.selector.matchLabels.',
  },
  AMB0207: {
    name: 'PeerAuthenticationsOfOneScope',
    severity: 'Warning',
    summary: 'Of several PeerAuthentications for the same workloads only the oldest counts.',
    advice: 'Leave one.',
  },
  AMB0301: {
    name: 'WaypointMissing',
    severity: 'Error',
    summary: 'A waypoint that is asked for does not exist: traffic goes direct, and its policies are not enforced.',
    advice: 'Create it with "ambit waypoint apply", or mend the label.',
  },
  AMB0302: {
    name: 'WaypointNotReady',
    severity: 'Warning',
    summary: 'A waypoint that is used is not programmed.',
    advice: 'See "ambit waypoint status".',
  },
  AMB0303: {
    name: 'WaypointForOtherTraffic',
    severity: 'Warning',
    summary: 'A waypoint takes another kind of traffic than that of the object that asks for it.',
    advice: 'Set istio.io/waypoint-for of the waypoint to service, workload or all.',
  },
  AMB0304: {
    name: 'WaypointNamespaceNotAllowed',
    severity: 'Error',
    summary: 'A waypoint of another namespace does not admit this one.',
    advice: 'Set allowedRoutes.namespaces.from of its listener.',
  },
  AMB0305: {
    name: 'NamespaceInjectedAndAmbient',
    severity: 'Error',
    summary: 'A namespace asks for sidecars and for the ambient mesh: pods with a sidecar are not captured.',
    advice: 'Leave one of the labels.',
  },
  AMB0306: {
    name: 'HostNetworkNotCaptured',
    severity: 'Warning',
    summary: 'A pod on the network of its node asks for the ambient mesh, which cannot capture it.',
    advice: 'Take hostNetwork or the label out.',
  },
  AMB0307: {
    name: 'ConditionNotMet',
    severity: 'Warning',
    summary: 'The status of an object says that it does not work.',
    advice: 'The message of the condition says why.',
  },
  AMB0401: {
    name: 'ServiceWithoutWorkloads',
    severity: 'Warning',
    summary: 'The selector of a Service matches no workload.',
    advice: 'Compare it with the labels of the pods.',
  },
  AMB0402: {
    name: 'TargetPortUnknown',
    severity: 'Error',
    summary: 'A target port by name is none of the container ports of the service’s pods.',
    advice: 'Name the container port, or write its number.',
  },
  AMB0501: {
    name: 'GatewayClassMissing',
    severity: 'Error',
    summary: 'A Gateway is of a class that nobody serves.',
    advice: 'Set gatewayClassName; for a waypoint istio-waypoint.',
  },
  AMB0502: {
    name: 'WaypointWithoutListener',
    severity: 'Error',
    summary: 'A waypoint has no listener for HBONE on 15008.',
    advice: 'Add listeners: [{name: mesh, port: 15008, protocol: HBONE}].',
  },
  AMB0503: {
    name: 'ReferenceNotGranted',
    severity: 'Error',
    summary: 'A route leads into another namespace without a ReferenceGrant there.',
    advice: 'Create a ReferenceGrant in the namespace of the Service.',
  },
  AMB0504: {
    name: 'ConflictingRoutes',
    severity: 'Warning',
    summary: 'Two HTTPRoutes of one parent and host have the same match: only the older one counts.',
    advice: 'Merge them, or make the matches differ.',
  },
  AMB0601: {
    name: 'ServiceEntryWithoutPorts',
    severity: 'Error',
    summary: 'A ServiceEntry has no ports, and so takes no traffic.',
    advice: 'Add spec.ports.',
  },
  AMB0602: {
    name: 'AddressesOverlap',
    severity: 'Error',
    summary: 'Two services have an address in common: connections to it reach one of them only.',
    advice: 'Give each its own addresses.',
  },
  AMB0603: {
    name: 'ServiceEntryHostTaken',
    severity: 'Warning',
    summary: 'A host is of several services.',
    advice: 'Leave it to one of them.',
  },
  AMB0604: {
    name: 'StaticWithoutEndpoints',
    severity: 'Error',
    summary: 'A ServiceEntry with resolution STATIC has neither endpoints nor a selector.',
    advice: 'Add endpoints or workloadSelector, or set resolution: DNS.',
  },
  AMB0701: {
    name: 'RetriesAmplify',
    severity: 'Warning',
    summary: 'Retries on the way to one service multiply: a failing service gets many times its load.',
    advice: 'Keep retries in one place of the way, nearest to the service, and set attempts: 0 in the others.',
  },
  AMB0702: {
    name: 'TimeoutEndsRetries',
    severity: 'Warning',
    summary: 'The timeout of a route is over before its first try may be.',
    advice: 'Make timeout at least perTryTimeout times the number of tries.',
  },
  AMB0801: {
    name: 'FieldNotHonoured',
    severity: 'Warning',
    summary: 'A field that Istio honours and this mesh does not: the object works as if it were not there.',
    advice: 'Take it out, or do without what it says.',
  },
  AMB0802: {
    name: 'KindNotServed',
    severity: 'Warning',
    summary: 'An object of a kind that this mesh does not serve: it does nothing.',
    advice: 'Do what the message says instead.',
  },
} as const
CHECKS satisfies Readonly<Record<string, CheckInfo>>

export type CheckCode = keyof typeof CHECKS
