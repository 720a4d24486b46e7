import { isRecord, type Path } from '#shared/document'
import type { PodProblem } from './types.ts'

/** A field that would silently do nothing here, or is not safe; and which of its values are harmless all the same. */
interface Refused {
  readonly field: readonly string[]
  readonly why: string
  isHarmless?(value: unknown): boolean
}

const NOT_HERE = 'is not supported on one machine'
const isEmpty = (value: unknown): boolean =>
  value === false || value === '' || (Array.isArray(value) && value.length === 0)

const OF_PODS: readonly Refused[] = [
  { field: ['hostNetwork'], why: NOT_HERE },
  { field: ['hostPID'], why: NOT_HERE },
  { field: ['hostIPC'], why: NOT_HERE },
  { field: ['hostUsers'], why: 'must be left out or true', isHarmless: (value) => value === true },
  { field: ['shareProcessNamespace'], why: NOT_HERE },
  { field: ['ephemeralContainers'], why: NOT_HERE },
  { field: ['resourceClaims'], why: NOT_HERE },
  { field: ['runtimeClassName'], why: NOT_HERE },
  { field: ['securityContext', 'sysctls'], why: NOT_HERE },
  { field: ['securityContext', 'windowsOptions'], why: NOT_HERE },
  { field: ['os', 'name'], why: 'must be linux', isHarmless: (value) => value === 'linux' },
]

const OF_CONTAINERS: readonly Refused[] = [
  { field: ['volumeDevices'], why: NOT_HERE },
  { field: ['lifecycle', 'stopSignal'], why: NOT_HERE, isHarmless: (value) => value === 'SIGTERM' },
  { field: ['securityContext', 'privileged'], why: `${NOT_HERE}: the pod could leave the mesh` },
  { field: ['securityContext', 'procMount'], why: NOT_HERE, isHarmless: (value) => value === 'Default' },
  { field: ['securityContext', 'windowsOptions'], why: NOT_HERE },
]

const OF_MOUNTS: readonly Refused[] = [
  { field: ['mountPropagation'], why: 'must be None on one machine', isHarmless: (value) => value === 'None' },
  {
    field: ['recursiveReadOnly'],
    why: NOT_HERE,
    isHarmless: (value) => value === 'Disabled' || value === 'IfPossible',
  },
]

/** What a user wrote into `spec` that is refused by its name. */
export function refusedFields(spec: unknown): readonly PodProblem[] {
  return [
    ...refusedIn(spec, ['spec'], OF_PODS),
    ...(['initContainers', 'containers'] as const).flatMap((list) =>
      each(spec, list).flatMap((container, i) => [
        ...refusedIn(container, ['spec', list, i], OF_CONTAINERS),
        ...hostPorts(container, ['spec', list, i]),
        ...each(container, 'volumeMounts').flatMap((mount, j) =>
          refusedIn(mount, ['spec', list, i, 'volumeMounts', j], OF_MOUNTS),
        ),
      ]),
    ),
  ]
}

function refusedIn(object: unknown, at: Path, fields: readonly Refused[]): readonly PodProblem[] {
  return fields.flatMap(({ field, why, isHarmless }) => {
    const value = field.reduce<unknown>((within, name) => (isRecord(within) ? within[name] : undefined), object)
    if (value === undefined || value === null) return []
    return (isHarmless ?? isEmpty)(value) ? [] : [{ path: [...at, ...field], problem: why }]
  })
}

function hostPorts(container: unknown, at: Path): readonly PodProblem[] {
  return each(container, 'ports').flatMap((port, i) =>
    isRecord(port) && typeof port.hostPort === 'number' && port.hostPort !== 0
      ? [{ path: [...at, 'ports', i, 'hostPort'], problem: `${NOT_HERE}; a Service gives an address` }]
      : [],
  )
}

function each(object: unknown, list: string): readonly unknown[] {
  const found = isRecord(object) ? object[list] : undefined
  return Array.isArray(found) ? found : []
}
