import type { Service } from '#shared/model'

/** A service and when it was last put; newer ones have the larger number. */
export interface StoredService {
  readonly service: Service
  readonly sequence: number
}

/** Whether clients of that namespace may know the service. */
export function isVisible(service: Service, clientNamespace: string): boolean {
  return service.visibility === 'Public' || service.namespace === clientNamespace
}

/**
 * Among services that share an address or name: one in the client's namespace (the newest), else the newest canonical
 * one, else the oldest; invisible ones do not count (hbone-and-ztunnel e.1).
 */
export function preferred(candidates: readonly StoredService[], clientNamespace: string): Service | undefined {
  let first: StoredService | undefined
  let canonical: StoredService | undefined
  let own: StoredService | undefined
  for (const candidate of candidates) {
    if (!isVisible(candidate.service, clientNamespace)) continue
    first ??= candidate
    if (candidate.service.canonical) canonical = candidate
    if (candidate.service.namespace === clientNamespace) own = candidate
  }
  return (own ?? canonical ?? first)?.service
}
