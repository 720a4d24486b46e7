import type { Controller, Environment } from '../core/controller.ts'
import { isDeleting, ownKey, read, SERVICES } from '../core/kinds.ts'
import type { ServiceAddresses } from './service-addresses.ts'

/**
 * Services that were stored without an address, or with one that another has by now (a changed range, a restored
 * state), are written again without it: the admission hook gives them a new one.
 */
export function serviceRepair({ access }: Environment, addresses: ServiceAddresses): Controller {
  return {
    name: 'service-repair',
    watches: [{ kind: SERVICES, keysOf: ownKey }],
    async reconcile(key) {
      const service = read(access, SERVICES, key)
      if (service === undefined || isDeleting(service) || !addresses.isBroken(service)) return undefined
      await access.update(addresses.withoutBroken(service), { fieldManager: 'service-addresses' })
      return undefined
    },
  }
}
