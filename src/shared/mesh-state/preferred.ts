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
 * Among services that share an address or name: one in the client's namespace, else the newest canonical one, else the
 * oldest; invisible ones do not count. Of several in one namespace only the newest is looked at, in the place of the
 * oldest (hbone-and-ztunnel e.1).
 */
export function preferred(candidates: readonly StoredService[], clientNamespace: string): Service | undefined {
  let first: Service | undefined
  let canonical: Service | undefined
  for (const { service } of candidates.length > 1 ? newestOfEach(candidates) : candidates) {
    if (!isVisible(service, clientNamespace)) continue
    if (service.namespace === clientNamespace) return service
    first ??= service
    if (service.canonical) canonical = service
  }
  return canonical ?? first
}

function newestOfEach(candidates: readonly StoredService[]): Iterable<StoredService> {
  const kept = new Map<string, StoredService>()
  for (const candidate of candidates) kept.set(candidate.service.namespace, candidate)
  return kept.values()
}
