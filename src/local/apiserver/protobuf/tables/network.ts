/** networking, discovery, coordination and events (v1). See ../message-table.ts for the notation. */
export const networkTables: string = `
Ingress
  1 metadata ObjectMeta; 2 spec IngressSpec; 3 status IngressStatus
IngressSpec
  1 defaultBackend IngressBackend; 2 tls IngressTLS[]; 3 rules IngressRule[]; 4 ingressClassName string=
IngressBackend
  3 resource TypedLocalObjectReference; 4 service IngressServiceBackend
IngressServiceBackend
  1 name string=; 2 port ServiceBackendPort
ServiceBackendPort
  1 name string; 2 number int32
IngressTLS
  1 hosts string[]; 2 secretName string
IngressRule
  1 host string; 2 ... IngressRuleValue
IngressRuleValue
  1 http HTTPIngressRuleValue
HTTPIngressRuleValue
  1 paths HTTPIngressPath[]
HTTPIngressPath
  1 path string; 2 backend IngressBackend; 3 pathType string=
IngressStatus
  1 loadBalancer IngressLoadBalancerStatus
IngressLoadBalancerStatus
  1 ingress IngressLoadBalancerIngress[]
IngressLoadBalancerIngress
  1 ip string; 2 hostname string; 4 ports IngressPortStatus[]
IngressPortStatus
  1 port int32=; 2 protocol string=; 3 error string=
IngressClass
  1 metadata ObjectMeta; 2 spec IngressClassSpec
IngressClassSpec
  1 controller string; 2 parameters IngressClassParametersReference
IngressClassParametersReference
  1 apiGroup string=; 2 kind string=; 3 name string=; 4 scope string=; 5 namespace string=
NetworkPolicy
  1 metadata ObjectMeta; 2 spec NetworkPolicySpec
NetworkPolicySpec
  1 podSelector LabelSelector; 2 ingress NetworkPolicyIngressRule[]; 3 egress NetworkPolicyEgressRule[];
  4 policyTypes string[]
NetworkPolicyIngressRule
  1 ports NetworkPolicyPort[]; 2 from NetworkPolicyPeer[]
NetworkPolicyPort
  1 protocol string=; 2 port IntOrString; 3 endPort int32=
NetworkPolicyPeer
  1 podSelector LabelSelector; 2 namespaceSelector LabelSelector; 3 ipBlock IPBlock
IPBlock
  1 cidr string=; 2 except string[]
NetworkPolicyEgressRule
  1 ports NetworkPolicyPort[]; 2 to NetworkPolicyPeer[]
Lease
  1 metadata ObjectMeta; 2 spec LeaseSpec
LeaseSpec
  1 holderIdentity string=; 2 leaseDurationSeconds int32=; 3 acquireTime MicroTime; 4 renewTime MicroTime;
  5 leaseTransitions int32=; 6 strategy string=; 7 preferredHolder string=
EndpointSlice
  1 metadata ObjectMeta; 2 endpoints Endpoint[]; 3 ports DiscoveryEndpointPort[]; 4 addressType string=
Endpoint
  1 addresses string[]; 2 conditions EndpointConditions; 3 hostname string=; 4 targetRef ObjectReference;
  5 deprecatedTopology string{}; 6 nodeName string=; 7 zone string=; 8 hints EndpointHints
EndpointConditions
  1 ready bool=; 2 serving bool=; 3 terminating bool=
EndpointHints
  1 forZones ForZone[]
ForZone
  1 name string=
DiscoveryEndpointPort
  1 name string=; 2 protocol string=; 3 port int32=; 4 appProtocol string=
EventsEvent
  1 metadata ObjectMeta; 2 eventTime MicroTime; 3 series EventsEventSeries; 4 reportingController string;
  5 reportingInstance string; 6 action string; 7 reason string; 8 regarding ObjectReference;
  9 related ObjectReference; 10 note string; 11 type string; 12 deprecatedSource EventSource;
  13 deprecatedFirstTimestamp Time; 14 deprecatedLastTimestamp Time; 15 deprecatedCount int32
EventsEventSeries
  1 count int32=; 2 lastObservedTime MicroTime
`
