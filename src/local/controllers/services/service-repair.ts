import type { Controller, Environment } from '../core/controller.ts'
import { EventRecorder } from '../core/events.ts'
import { isDeleting, ownKey, read, SERVICES } from '../core/kinds.ts'
import type { ServiceAddresses } from './service-addresses.ts'

const MANAGER = 'service-addresses'

/**
 * Services that were stored without an address are written again, which gives them one. One whose address is another's,
 * or of no range, keeps it, and an Event tells its user to make it anew, as on a cluster.
 */
export function serviceRepair(environment: Environment, addresses: ServiceAddresses): Controller {
  const { access } = environment
  const events = new EventRecorder(environment, MANAGER)
  return {
    name: 'service-repair',
    watches: [{ kind: SERVICES, keysOf: ownKey }],
    async reconcile(key) {
      const service = read(access, SERVICES, key)
      if (service === undefined || isDeleting(service)) return undefined
      const state = addresses.check(service)
      if (state.kind === 'lacking') {
        await access.update(service, { fieldManager: MANAGER })
      } else if (state.kind === 'foreign') {
        const message = `${state.problem}; please recreate the service`
        await events.record(service, { type: 'Warning', reason: 'ClusterIPNotAllocated', message })
      }
      return undefined
    },
  }
}
