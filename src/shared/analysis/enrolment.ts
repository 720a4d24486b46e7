import { DATAPLANE_MODE, labelsOf, type MeshObjects } from './mesh-objects.ts'
import { at } from './reading.ts'
import type { Finding } from './types.ts'
import { ASKING, FOR, GATEWAY } from './waypoints.ts'

/** The values that labels of the mesh may have. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  [DATAPLANE_MODE]: ['ambient', 'none'],
  [FOR]: ['service', 'workload', 'all', 'none'],
}
const INJECTION = 'istio-injection'
const REVISION = 'istio.io/rev'

/** Whether namespaces and pods ask for what there is. */
export function* enrolment(mesh: MeshObjects): Generator<Finding> {
  for (const object of [...ASKING, GATEWAY].flatMap((kind) => mesh.of(kind))) {
    const labels = labelsOf(object)
    for (const [label, values] of Object.entries(VALUES)) {
      const value = labels[label]
      if (value !== undefined && !values.includes(value))
        yield {
          code: 'IST0125',
          object,
          path: ['metadata', 'labels', label],
          reason: `${label} is ${JSON.stringify(value)}, and may be ${values.join(', ')}`,
        }
    }
  }
  for (const object of mesh.of('Namespace')) {
    const labels = labelsOf(object)
    const asks = [
      ...(labels[INJECTION] === 'enabled' ? [INJECTION] : []),
      ...(labels[REVISION] === undefined ? [] : [REVISION]),
    ]
    if (labels[INJECTION] !== undefined && labels[REVISION] !== undefined)
      yield { code: 'IST0123', object, path: ['metadata', 'labels'], reason: `it has ${INJECTION} and ${REVISION}` }
    if (labels[DATAPLANE_MODE] === 'ambient' && asks.includes(INJECTION))
      yield {
        code: 'AMB0305',
        object,
        path: ['metadata', 'labels', INJECTION],
        reason: `it has ${DATAPLANE_MODE}=ambient too`,
      }
  }
  for (const { object, labels, spec, path } of mesh.workloads)
    if (labels[DATAPLANE_MODE] === 'ambient' && at(spec, 'hostNetwork') === true)
      yield {
        code: 'AMB0306',
        object,
        path: [...path, 'spec', 'hostNetwork'],
        reason: `it has the label ${DATAPLANE_MODE}=ambient`,
      }
}
