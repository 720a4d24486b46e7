import type { Authorization, MeshAddress } from '#shared/model'
import { decodeAuthorization, encodeAuthorization } from './authorization-codec.ts'
import { schema } from './schema.ts'
import { decodeService, encodeService } from './service-codec.ts'
import type { ResourceType } from './types.ts'
import { invalid } from './wire-fields.ts'
import { decodeWorkload, encodeWorkload } from './workload-codec.ts'

/** Workloads and services, by uid and by `namespace/hostname`. */
export const addressType: ResourceType<MeshAddress> = {
  typeUrl: 'type.googleapis.com/istio.workload.Address',
  encode(address) {
    return schema().address.encode(
      address.kind === 'workload'
        ? { workload: encodeWorkload(address.workload) }
        : { service: encodeService(address.service) },
    )
  },
  decode(bytes) {
    const { workload, service } = schema().address.decode(bytes)
    if (workload) return { kind: 'workload', workload: decodeWorkload(workload) }
    if (service) return { kind: 'service', service: decodeService(service) }
    throw invalid('an address that is neither workload nor service')
  },
}

/** L4 policies, by `namespace/name`. */
export const authorizationType: ResourceType<Authorization> = {
  typeUrl: 'type.googleapis.com/istio.security.Authorization',
  encode: (policy) => schema().authorization.encode(encodeAuthorization(policy)),
  decode: (bytes) => decodeAuthorization(schema().authorization.decode(bytes)),
}
