const VERSION = /^v([1-9]\d{0,8})(?:(alpha|beta)([1-9]\d{0,8}))?$/
const STAGE = { alpha: 0, beta: 1, '': 2 } as const

/** Preferred first, as Kubernetes orders versions: v2, v1, v1beta2, v1beta1, v1alpha1, then other names by the alphabet. */
export function compareVersions(a: string, b: string): number {
  const left = rank(a)
  const right = rank(b)
  if (left === undefined || right === undefined) {
    if (left === undefined && right === undefined) return a < b ? -1 : a === b ? 0 : 1
    return left === undefined ? 1 : -1
  }
  for (const [i, value] of left.entries()) {
    const difference = (right[i] ?? 0) - value
    if (difference !== 0) return difference
  }
  return 0
}

/** Stage, number, number within the stage. */
function rank(name: string): readonly number[] | undefined {
  const match = VERSION.exec(name)
  if (match === null) return undefined
  const stage = match[2] ?? ''
  return [STAGE[stage === 'alpha' || stage === 'beta' ? stage : ''], Number(match[1]), Number(match[3] ?? 0)]
}
