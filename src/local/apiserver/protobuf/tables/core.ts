/** The other kinds of core/v1. See ../message-table.ts for the notation. */
export const coreTables: string = `
Namespace
  1 metadata ObjectMeta; 2 spec NamespaceSpec; 3 status NamespaceStatus
NamespaceSpec
  1 finalizers string[]
NamespaceStatus
  1 phase string; 2 conditions NamespaceCondition[]
NamespaceCondition
  1 type string=; 2 status string=; 4 lastTransitionTime Time; 5 reason string; 6 message string
ServiceAccount
  1 metadata ObjectMeta; 2 secrets ObjectReference[]; 3 imagePullSecrets LocalObjectReference[];
  4 automountServiceAccountToken bool=
ObjectReference
  1 kind string; 2 namespace string; 3 name string; 4 uid string; 5 apiVersion string; 6 resourceVersion string;
  7 fieldPath string
ConfigMap
  1 metadata ObjectMeta; 2 data string{}; 3 binaryData bytes{}; 4 immutable bool=
Secret
  1 metadata ObjectMeta; 2 data bytes{}; 3 type string; 4 stringData string{}; 5 immutable bool=
Service
  1 metadata ObjectMeta; 2 spec ServiceSpec; 3 status ServiceStatus
ServiceSpec
  1 ports ServicePort[]; 2 selector string{}; 3 clusterIP string; 4 type string; 5 externalIPs string[];
  7 sessionAffinity string; 8 loadBalancerIP string; 9 loadBalancerSourceRanges string[]; 10 externalName string;
  11 externalTrafficPolicy string; 12 healthCheckNodePort int32; 13 publishNotReadyAddresses bool;
  14 sessionAffinityConfig SessionAffinityConfig; 17 ipFamilyPolicy string=; 18 clusterIPs string[];
  19 ipFamilies string[]; 20 allocateLoadBalancerNodePorts bool=; 21 loadBalancerClass string=;
  22 internalTrafficPolicy string=; 23 trafficDistribution string=
ServicePort
  1 name string; 2 protocol string; 3 port int32=; 4 targetPort IntOrString; 5 nodePort int32; 6 appProtocol string=
SessionAffinityConfig
  1 clientIP ClientIPConfig
ClientIPConfig
  1 timeoutSeconds int32=
ServiceStatus
  1 loadBalancer LoadBalancerStatus; 2 conditions Condition[]
LoadBalancerStatus
  1 ingress LoadBalancerIngress[]
LoadBalancerIngress
  1 ip string; 2 hostname string; 3 ipMode string=; 4 ports PortStatus[]
PortStatus
  1 port int32=; 2 protocol string=; 3 error string=
Endpoints
  1 metadata ObjectMeta; 2 subsets EndpointSubset[]
EndpointSubset
  1 addresses EndpointAddress[]; 2 notReadyAddresses EndpointAddress[]; 3 ports EndpointPort[]
EndpointAddress
  1 ip string=; 2 targetRef ObjectReference; 3 hostname string; 4 nodeName string=
EndpointPort
  1 name string; 2 port int32=; 3 protocol string; 4 appProtocol string=
Event
  1 metadata ObjectMeta; 2 involvedObject ObjectReference; 3 reason string; 4 message string; 5 source EventSource;
  6 firstTimestamp Time; 7 lastTimestamp Time; 8 count int32; 9 type string; 10 eventTime MicroTime;
  11 series EventSeries; 12 action string; 13 related ObjectReference; 14 reportingComponent string=;
  15 reportingInstance string=
EventSource
  1 component string; 2 host string
EventSeries
  1 count int32; 2 lastObservedTime MicroTime
LimitRange
  1 metadata ObjectMeta; 2 spec LimitRangeSpec
LimitRangeSpec
  1 limits LimitRangeItem[]
LimitRangeItem
  1 type string=; 2 max Quantity{}; 3 min Quantity{}; 4 default Quantity{}; 5 defaultRequest Quantity{};
  6 maxLimitRequestRatio Quantity{}
ResourceQuota
  1 metadata ObjectMeta; 2 spec ResourceQuotaSpec; 3 status ResourceQuotaStatus
ResourceQuotaSpec
  1 hard Quantity{}; 2 scopes string[]; 3 scopeSelector ScopeSelector
ScopeSelector
  1 matchExpressions ScopedResourceSelectorRequirement[]
ScopedResourceSelectorRequirement
  1 scopeName string=; 2 operator string=; 3 values string[]
ResourceQuotaStatus
  1 hard Quantity{}; 2 used Quantity{}
PersistentVolumeClaim
  1 metadata ObjectMeta; 2 spec PersistentVolumeClaimSpec; 3 status PersistentVolumeClaimStatus
PersistentVolumeClaimStatus
  1 phase string; 2 accessModes string[]; 3 capacity Quantity{}; 4 conditions PersistentVolumeClaimCondition[];
  5 allocatedResources Quantity{}; 7 allocatedResourceStatuses string{}; 8 currentVolumeAttributesClassName string=;
  9 modifyVolumeStatus ModifyVolumeStatus
PersistentVolumeClaimCondition
  1 type string=; 2 status string=; 3 lastProbeTime Time; 4 lastTransitionTime Time; 5 reason string; 6 message string
ModifyVolumeStatus
  1 targetVolumeAttributesClassName string; 2 status string=
Binding
  1 metadata ObjectMeta; 2 target ObjectReference
PodTemplateSpec
  1 metadata ObjectMeta; 2 spec PodSpec
`
