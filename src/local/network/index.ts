export {
  API_ADDRESSES,
  CLUSTER_DOMAIN,
  DNS_SERVICE_IPS,
  MAX_NODES,
  PROBE_SOURCES,
  SERVICE_CIDRS,
} from './address-plan.ts'
export { HostNumbers } from './host-numbers.ts'
export { holdNamespaces, type NamespaceHolder } from './namespace-holder.ts'
export { makeNodes, type Node, type Nodes } from './nodes.ts'
export { type PodAddresses, PodNetwork } from './pod-network.ts'
export { type ProxiedNode, type ProxiedPort, planServices, ServiceProxy } from './service-proxy.ts'
