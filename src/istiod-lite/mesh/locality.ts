import type { Node } from '#shared/k8s'
import type { Locality } from '#shared/model'

/** Where a node stands, by its labels; empty words for what they do not say. */
export function localityOf(node: Node | undefined): Locality {
  const labels = node?.metadata.labels ?? {}
  return {
    region: labels['topology.kubernetes.io/region'] ?? '',
    zone: labels['topology.kubernetes.io/zone'] ?? '',
    subzone: labels['topology.istio.io/subzone'] ?? '',
  }
}

/** `region/zone/subzone`, or the beginning of it. */
export function localityOfText(text: string): Locality {
  const [region = '', zone = '', subzone = ''] = text.split('/')
  return { region, zone, subzone }
}
