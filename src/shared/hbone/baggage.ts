import type { Workload, WorkloadType } from '#shared/model'

/** Who stands at one end of a tunnel, as the `baggage` header tells it; what is absent is undefined. */
export interface Baggage {
  readonly cluster: string | undefined
  readonly namespace: string | undefined
  readonly workloadType: WorkloadType | undefined
  readonly workloadName: string | undefined
  /** Canonical name. */
  readonly service: string | undefined
  /** Canonical revision. */
  readonly revision: string | undefined
  readonly region: string | undefined
  readonly zone: string | undefined
}

/** What of a workload is told. */
export type BaggageSource = Pick<
  Workload,
  'clusterId' | 'namespace' | 'workloadType' | 'workloadName' | 'canonicalName' | 'canonicalRevision' | 'locality'
>

/** Beyond these a peer's header is not read any further: it is only used for labels. */
const MAX_CHARS = 4096
const MAX_PARTS = 64

/** Printable ASCII without the comma, which parts entries; nothing is escaped (hbone-and-ztunnel d.3). */
const PLAIN_VALUE = /^[\x21-\x2b\x2d-\x7e]+$/

const KIND_KEYS: ReadonlyMap<string, WorkloadType> = new Map([
  ['k8s.deployment.name', 'deployment'],
  ['k8s.cronjob.name', 'cronjob'],
  ['k8s.pod.name', 'pod'],
  ['k8s.job.name', 'job'],
])

/** Workloads are replaced when they change, and each is told of with each of its connections. */
const formatted: WeakMap<BaggageSource, string> = new WeakMap()

/**
 * The `baggage` value about `workload`: of the source in a request, of the destination in an answer. Parts that are
 * unknown, or cannot be told without escaping, are left out.
 */
export function formatBaggage(workload: BaggageSource): string {
  const known = formatted.get(workload)
  if (known !== undefined) return known
  const text = baggageText(workload)
  formatted.set(workload, text)
  return text
}

function baggageText(workload: BaggageSource): string {
  const parts: readonly (readonly [key: string, value: string])[] = [
    ['k8s.cluster.name', workload.clusterId],
    ['k8s.namespace.name', workload.namespace],
    [`k8s.${workload.workloadType}.name`, workload.workloadName],
    ['service.name', workload.canonicalName],
    ['service.version', workload.canonicalRevision],
    ['cloud.region', workload.locality.region],
    ['cloud.availability_zone', workload.locality.zone],
  ]
  return parts
    .filter(([, value]) => PLAIN_VALUE.test(value))
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}

/**
 * Reads the `baggage` lines of a peer. Unknown keys are skipped and the first of equal keys counts; one line with
 * anything but printable ASCII voids them all.
 */
export function parseBaggage(lines: readonly string[]): Baggage {
  const text = lines.join(',')
  const values = new Map<string, string>()
  if (text.length <= MAX_CHARS && /^[\x20-\x7e]*$/.test(text)) {
    for (const part of text.split(',', MAX_PARTS)) {
      const equals = part.indexOf('=')
      if (equals < 1 || equals === part.length - 1) continue
      const key = part.slice(0, equals)
      if (!values.has(key)) values.set(key, part.slice(equals + 1))
    }
  }
  const kindKey = [...KIND_KEYS.keys()].find((key) => values.has(key)) ?? ''
  return {
    cluster: values.get('k8s.cluster.name'),
    namespace: values.get('k8s.namespace.name'),
    workloadType: KIND_KEYS.get(kindKey),
    workloadName: values.get(kindKey),
    service: values.get('service.name'),
    revision: values.get('service.version'),
    region: values.get('cloud.region'),
    zone: values.get('cloud.availability_zone'),
  }
}
