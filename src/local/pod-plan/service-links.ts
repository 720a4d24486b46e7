import { isRecord } from '#shared/document'
import type { ApiObject } from '../apiserver/index.ts'

/** The one service whose variables every pod has, wherever it lives. */
const MASTER = { namespace: 'default', name: 'kubernetes' }

/**
 * Variables by which programs of Docker's days find services (`REDIS_SERVICE_HOST`, `REDIS_PORT_6379_TCP_ADDR`, …): of
 * the pod's namespace when it wants them, and always those of the API.
 */
export function serviceLinks(
  services: readonly ApiObject[],
  namespace: string,
  wanted: boolean,
): Readonly<Record<string, string>> {
  const isMaster = ({ metadata }: ApiObject): boolean =>
    metadata.namespace === MASTER.namespace && metadata.name === MASTER.name
  const own = wanted ? services.filter(({ metadata }) => metadata.namespace === namespace) : []
  // A service of the pod's own namespace that is called the same counts.
  const linked = [...services.filter(isMaster), ...own]
  return Object.assign({}, ...linked.map(variablesOf))
}

function variablesOf({ metadata, spec }: ApiObject): Readonly<Record<string, string>> {
  const { clusterIP, ports, type } = isRecord(spec) ? spec : {}
  const listed = Array.isArray(ports) ? ports.filter(isRecord) : []
  const [first] = listed
  if (typeof clusterIP !== 'string' || clusterIP === '' || clusterIP === 'None' || type === 'ExternalName') return {}
  if (first === undefined) return {}
  const prefix = variableName(metadata.name)
  const host = clusterIP.includes(':') ? `[${clusterIP}]` : clusterIP
  const urlOf = ({ port, protocol = 'TCP' }: Record<string, unknown>): string =>
    `${String(protocol).toLowerCase()}://${host}:${port}`
  const found: Record<string, string> = {
    [`${prefix}_SERVICE_HOST`]: clusterIP,
    [`${prefix}_SERVICE_PORT`]: String(first.port),
    [`${prefix}_PORT`]: urlOf(first),
  }
  for (const each of listed) {
    const { name, port, protocol = 'TCP' } = each
    if (typeof name === 'string' && name !== '') found[`${prefix}_SERVICE_PORT_${variableName(name)}`] = String(port)
    const long = `${prefix}_PORT_${port}_${protocol}`
    found[long] = urlOf(each)
    found[`${long}_PROTO`] = String(protocol).toLowerCase()
    found[`${long}_PORT`] = String(port)
    found[`${long}_ADDR`] = clusterIP
  }
  return found
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_')
}
