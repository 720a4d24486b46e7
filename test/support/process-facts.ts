import { readdirSync, readFileSync } from 'node:fs'

/** What the kernel says of a process now. */
export interface ProcessFacts {
  readonly residentMib: number
  readonly descriptors: number
}

export function factsOf(pid: number): ProcessFacts {
  const kib = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  return { residentMib: kib / 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length }
}

/** By how much a straight line through these values grows from one to the next (least squares). */
export function slopeOf(values: readonly number[]): number {
  const n = values.length
  const meanX = (n - 1) / 2
  const meanY = values.reduce((sum, value) => sum + value, 0) / n
  let above = 0
  let below = 0
  for (const [x, value] of values.entries()) {
    above += (x - meanX) * (value - meanY)
    below += (x - meanX) ** 2
  }
  return above / below
}
