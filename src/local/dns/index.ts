export { clusterAnswerer } from './cluster-answerer.ts'
export { ClusterNames, type NameSource } from './cluster-names.ts'
export { DnsServer } from './dns-server.ts'
export { DnsService, type DnsServiceSettings } from './dns-service.ts'
