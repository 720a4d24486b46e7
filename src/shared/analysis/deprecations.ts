import type { Path } from '#shared/document'
import type { MeshObjects } from './mesh-objects.ts'
import { at } from './reading.ts'
import type { Finding } from './types.ts'

interface Deprecation {
  readonly kind: string
  /** `*` stands for every item of a list. */
  readonly path: readonly string[]
  readonly successor: string
}

const NETWORKING = 'networking.istio.io'

/** Fields that still work, or do nothing any more, in Istio's kinds. */
const DEPRECATIONS: readonly Deprecation[] = [
  {
    kind: `VirtualService.${NETWORKING}`,
    path: ['spec', 'http', '*', 'fault', 'delay', 'percent'],
    successor: 'percentage.value',
  },
  {
    kind: `VirtualService.${NETWORKING}`,
    path: ['spec', 'http', '*', 'mirrorPercent'],
    successor: 'mirrorPercentage.value',
  },
  {
    kind: `VirtualService.${NETWORKING}`,
    path: ['spec', 'http', '*', 'mirror_percent'],
    successor: 'mirrorPercentage.value',
  },
  {
    kind: `VirtualService.${NETWORKING}`,
    path: ['spec', 'http', '*', 'corsPolicy', 'allowOrigin'],
    successor: 'allowOrigins',
  },
  {
    kind: `DestinationRule.${NETWORKING}`,
    path: ['spec', 'trafficPolicy', 'outlierDetection', 'consecutiveErrors'],
    successor: 'consecutive5xxErrors or consecutiveGatewayErrors',
  },
  {
    kind: `DestinationRule.${NETWORKING}`,
    path: ['spec', 'subsets', '*', 'trafficPolicy', 'outlierDetection', 'consecutiveErrors'],
    successor: 'consecutive5xxErrors or consecutiveGatewayErrors',
  },
  {
    kind: `DestinationRule.${NETWORKING}`,
    path: ['spec', 'trafficPolicy', 'loadBalancer', 'consistentHash', 'minimumRingSize'],
    successor: 'ringHash.minimumRingSize',
  },
  {
    kind: `DestinationRule.${NETWORKING}`,
    path: ['spec', 'trafficPolicy', 'loadBalancer', 'warmupDurationSecs'],
    successor: 'warmup.duration',
  },
]

export function* deprecations(mesh: MeshObjects): Generator<Finding> {
  for (const { kind, path, successor } of DEPRECATIONS)
    for (const object of mesh.of(kind))
      for (const found of pathsOf(object.document, path))
        yield {
          code: 'IST0002',
          object,
          path: found,
          reason: `${String(path.at(-1))} is deprecated: write ${successor}`,
        }
}

/** The paths that there are. */
function* pathsOf(document: unknown, pattern: readonly string[], before: Path = []): Generator<Path> {
  const [part, ...rest] = pattern
  if (part === undefined) {
    if (at(document, ...before) !== undefined) yield before
  } else if (part === '*') {
    const list = at(document, ...before)
    if (Array.isArray(list)) for (const i of list.keys()) yield* pathsOf(document, rest, [...before, i])
  } else yield* pathsOf(document, rest, [...before, part])
}
