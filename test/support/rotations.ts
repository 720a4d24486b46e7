import { factsOf } from './process-facts.ts'
import { Restarts } from './restarts.ts'

/**
 * Certificates that live so briefly are renewed about once a second. Their ends are whole seconds (RFC 5280 §4.1.2.5), so
 * that a second of it may be missing: of two, nothing would be left in which to renew.
 */
const TTL_MS = 3_000
const PERIOD_MS = 50
/** What goes wrong so often goes on going wrong. */
const MAX_FAILURES = 50

/** What a tunnel went through while its certificates were renewed under load. */
export interface Rotated {
  /** Certificates that were signed. */
  readonly signed: number
  readonly answered: number
  readonly failures: readonly string[]
  /** What the tunnel logged as warning or error, the last of it. */
  readonly complaints: readonly string[]
  readonly before: ReturnType<typeof factsOf>
  readonly after: ReturnType<typeof factsOf>
}

/** New connections, each with a hand-shake of its own, until so many certificates have been signed for both ends. */
export async function rotateUnderLoad(rotations: number): Promise<Rotated> {
  const mesh = new Restarts()
  try {
    // A tunnel that nothing used for a moment is given up, so that the next connection shows a certificate again.
    await mesh.start({ POOL_UNUSED_RELEASE_TIMEOUT: '10ms' }, undefined, { ttlMs: TTL_MS })
    const stop = new AbortController()
    const load = mesh.load(1000 / PERIOD_MS, stop.signal)
    const untilSigned = async (count: number): Promise<void> => {
      while (mesh.signed < count && mesh.failures.length < MAX_FAILURES)
        await new Promise((resolve) => setTimeout(resolve, PERIOD_MS))
    }
    await untilSigned(6)
    const pid = mesh.tunnel?.process.pid ?? 0
    const before = factsOf(pid)
    await untilSigned(6 + rotations)
    const after = factsOf(pid)
    stop.abort()
    await load
    const { signed, answered, failures } = mesh
    const complaints = mesh.tunnel?.lines.filter((line) => /\t(?:warn|error)\t/.test(line)).slice(-MAX_FAILURES) ?? []
    return { signed, answered, failures, complaints, before, after }
  } finally {
    await mesh.close()
  }
}
