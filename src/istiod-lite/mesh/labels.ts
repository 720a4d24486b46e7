import type { LabelSelector } from '#shared/k8s'

type Labels = Readonly<Record<string, string>>

/** Every label of the selector is there; one without labels selects nothing (istio-control-plane b.6 "scope"). */
export function selects(wanted: Labels, labels: Labels): boolean {
  const entries = Object.entries(wanted)
  return entries.length > 0 && entries.every(([key, value]) => labels[key] === value)
}

/** No selector, or one without labels: the object speaks for its whole namespace. */
export function isUnselective(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0
}

/**
 * One key under which a selector can be found from the labels that it may match: its first label. Whoever has labels
 * looks under each of them, so that a changed selector reruns only what could match it.
 */
export function selectorKey(namespace: string, wanted: Labels): string | undefined {
  const [first] = Object.entries(wanted).sort(([a], [b]) => (a < b ? -1 : 1))
  return first === undefined ? undefined : labelKey(namespace, first)
}

export function labelKeys(namespace: string, labels: Labels): readonly string[] {
  return Object.entries(labels).map((label) => labelKey(namespace, label))
}

function labelKey(namespace: string, [name, value]: readonly [string, string]): string {
  return `${namespace} ${name}=${value}`
}
