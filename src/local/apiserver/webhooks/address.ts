import type { ApiObject, ObjectAccess } from '../types.ts'
import type { ClientConfig, ServiceReference, WebhookAddress } from './types.ts'

const HTTPS = 443

interface Slice extends ApiObject {
  readonly endpoints?: readonly { readonly addresses: readonly string[]; readonly conditions?: { ready?: boolean } }[]
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[]
}

/**
 * Where to connect to. A service is asked at one of its ready pods, since this process stands in no node that could
 * lead its address there; the certificate must be for the service's name all the same.
 *
 * @throws Error when there is no such service, port, or ready pod
 */
export function addressOf(config: ClientConfig, access: ObjectAccess): WebhookAddress {
  if (config.service !== undefined) return serviceAddress(config.service, access)
  const { hostname, port, pathname, search } = new URL(config.url)
  const host = hostname.replace(/^\[|\]$/g, '')
  return { host, port: port === '' ? HTTPS : Number(port), serverName: host, path: `${pathname}${search}` }
}

function serviceAddress(
  { namespace, name, path = '/', port = HTTPS }: ServiceReference,
  access: ObjectAccess,
): WebhookAddress {
  const service = access.get({ group: '', resource: 'services', namespace, name })
  if (service === undefined) throw new Error(`service ${JSON.stringify(name)} not found`)
  const { ports = [] } = service.spec as { readonly ports?: readonly { name?: string; port: number }[] }
  const wanted = ports.find((each) => each.port === port)
  if (wanted === undefined) throw new Error(`service ${JSON.stringify(name)} has no port ${port}`)
  const labelSelector = `kubernetes.io/service-name=${name}`
  const slices = access.list({ group: 'discovery.k8s.io', resource: 'endpointslices', namespace, labelSelector })
  for (const { endpoints = [], ports: open = [] } of slices.items as readonly Slice[]) {
    const host = endpoints.find(({ conditions }) => conditions?.ready !== false)?.addresses[0]
    const target = open.find((each) => (each.name ?? '') === (wanted.name ?? ''))?.port
    if (host !== undefined && target !== undefined)
      return {
        host,
        port: target,
        serverName: `${name}.${namespace}.svc`,
        path: path.startsWith('/') ? path : `/${path}`,
      }
  }
  throw new Error(`no endpoints available for service ${JSON.stringify(name)}`)
}
