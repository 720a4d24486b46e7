import type { ApiObject } from '../apiserver/index.ts'

const CLUSTER_DOMAIN = 'cluster.local'
/** What a label of a domain name may have; the kubelet cuts a pod's name to it. */
const MAX_LABEL = 63

/** What a pod may call itself. */
export interface HostNames {
  /** `spec.hostname`, else the pod's name, as far as a host name may be long. */
  readonly short: string
  /** With the domain of `spec.subdomain`; empty when the pod gives none. */
  readonly full: string
}

export function hostNames(
  { metadata: { name, namespace } }: ApiObject,
  { hostname, subdomain }: { readonly hostname: string; readonly subdomain: string },
): HostNames {
  const short = hostname === '' ? name.slice(0, MAX_LABEL).replace(/[-.]+$/, '') : hostname
  return { short, full: subdomain === '' ? '' : `${short}.${subdomain}.${namespace}.svc.${CLUSTER_DOMAIN}` }
}
