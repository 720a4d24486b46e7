import { formatPath, isRecord } from '#shared/document'
import { cidrContains, type IpAddress, parseCidr, parseIp } from '#shared/net'
import type { AdmissionHook, FieldProblem } from '../apiserver/index.ts'

/** A field of a Service that one machine cannot do, and why. */
export interface RefusedField {
  readonly path: readonly (string | number)[]
  readonly problem: string
}

const LOOPBACK = '127.0.0.1'

/** What would silently do nothing here, of a Service as it was written. */
export function refusedServiceFields(spec: unknown): readonly RefusedField[] {
  if (!isRecord(spec)) return []
  const refused: RefusedField[] = []
  const say = (field: string, problem: string): void => void refused.push({ path: ['spec', field], problem })
  if (isFilled(spec.externalIPs))
    say('externalIPs', 'is not supported on one machine: nobody sends packets for such an address here')
  if (spec.sessionAffinity === 'ClientIP')
    say('sessionAffinity', 'ClientIP is not supported on one machine: each connection chooses an endpoint by itself')
  if (isFilled(spec.loadBalancerSourceRanges) && !spec.loadBalancerSourceRanges.some(hasLoopback))
    say('loadBalancerSourceRanges', `leaves nobody: on one machine all clients come from ${LOOPBACK}`)
  const ports: readonly unknown[] = Array.isArray(spec.ports) ? spec.ports : []
  ports.forEach((port, i) => {
    if (isRecord(port) && port.protocol === 'SCTP')
      refused.push({ path: ['spec', 'ports', i, 'protocol'], problem: 'SCTP is not supported on one machine' })
  })
  return refused
}

/** Refuses the same fields from whoever writes to the API. */
export const refusedServiceHook: AdmissionHook = {
  name: 'one-machine-services',
  handles: ({ definition, operation, stage, context }) =>
    definition.group === '' &&
    definition.plural === 'services' &&
    operation !== 'DELETE' &&
    stage === 'validate' &&
    context.subresource === '',
  admit: async ({ object }) => {
    const problems = refusedServiceFields(object.spec).map(
      ({ path, problem }): FieldProblem => ({
        field: formatPath(path),
        reason: 'FieldValueForbidden',
        problem: `Forbidden: ${problem}`,
      }),
    )
    if (problems.length === 0) return { kind: 'admitted', object, warnings: [] }
    return { kind: 'refused', message: 'the service asks for what one machine does not have', problems }
  },
}

function isFilled(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length > 0
}

function hasLoopback(range: unknown): boolean {
  const cidr = typeof range === 'string' ? parseCidr(range.trim()) : undefined
  return cidr !== undefined && cidrContains(cidr, parseIp(LOOPBACK) as IpAddress)
}
