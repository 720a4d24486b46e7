import type { Authorization, MeshAddress } from '#shared/model'
import { decodeAuthorization, encodeAuthorization, strictestAuthorization } from './authorization-codec.ts'
import { schema } from './schema.ts'
import { decodeService, encodeService } from './service-codec.ts'
import type { ResourceType } from './types.ts'
import { describeUnknown, unknownFields } from './unknown-fields.ts'
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
  ignoredFields(bytes) {
    const { addressShape } = schema()
    const names = unknownFields(bytes, addressShape).map(({ path, number }) => {
      return [...path.map(({ field }) => field), number].join('.')
    })
    return names.length < 2 ? names : [...new Set(names)]
  },
}

/** L4 policies, by `namespace/name`. One with a field that we do not know is refused: that field may be a condition. */
export const authorizationType: ResourceType<Authorization> = {
  typeUrl: 'type.googleapis.com/istio.security.Authorization',
  encode: (policy) => schema().authorization.encode(encodeAuthorization(policy)),
  decode(bytes) {
    const { authorization, authorizationShape } = schema()
    const policy = decodeAuthorization(authorization.decode(bytes))
    const [unknown] = unknownFields(bytes, authorizationShape)
    if (unknown !== undefined) throw invalid(`${describeUnknown(unknown, authorizationShape)}, which is not known`)
    return policy
  },
  standIn(bytes) {
    const { authorization, authorizationShape } = schema()
    try {
      return strictestAuthorization(authorization.decode(bytes), unknownFields(bytes, authorizationShape))
    } catch {
      return undefined // no policy at all
    }
  },
}
