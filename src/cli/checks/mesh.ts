import type { MeshStatus } from '#shared/control'
import { isRecord } from '#shared/document'
import type { ConfigDump } from '../print/index.ts'
import { type CheckLine, expected, failure, ok, warning } from './report.ts'

/** A node's tunnel, as it answered. */
export interface NodeDump {
  readonly node: string
  /** Undefined: it did not. */
  readonly dump: ConfigDump | undefined
}

const SECTION = 'mesh'
const SHOWN = 5

/** What a mesh on one machine says of itself. */
export function meshLines(status: MeshStatus, dumps: readonly NodeDump[], nowMs: number): readonly CheckLine[] {
  const own = status.programs.filter(({ node }) => node === undefined)
  return [
    ...own.map((program) =>
      expected(
        SECTION,
        program.ready,
        `${program.name} is ready`,
        `${program.name} is ${program.state}: ${program.reason}`,
        `See "ambit logs ${program.name}".`,
      ),
    ),
    ...status.nodes.flatMap(({ name }) => nodeLines(name, status)),
    ...dumps.map(({ node, dump }) => certificateLine(node, dump, nowMs)),
    captureLine(status),
    podLine(status),
    ...problemLines(status),
  ]
}

function nodeLines(node: string, status: MeshStatus): readonly CheckLine[] {
  return ['ztunnel', 'node-agent'].map((name) => {
    const found = status.programs.find((program) => program.name === name && program.node === node)
    if (found?.ready === true) return ok(SECTION, `${name} of ${node} is ready`)
    const why = found === undefined ? 'does not run' : `is ${found.state}: ${found.reason}`
    return failure(SECTION, `${name} of ${node} ${why}`, `See "ambit logs ${name} --node ${node}".`)
  })
}

/** Every certificate that a tunnel holds is good now. */
export function certificateLine(node: string, dump: ConfigDump | undefined, nowMs: number): CheckLine {
  const hint = `See "ambit ztunnel-config certificates --node ${node}".`
  if (dump === undefined)
    return failure(SECTION, `the tunnel of ${node} does not answer`, `See "ambit logs ztunnel --node ${node}".`)
  const bad = dump.certificates.flatMap(({ identity, state, certChain }) => {
    if (certChain.length === 0) return [`${identity} is ${state}`]
    const isGood = certChain.every(
      ({ validFrom, expirationTime }) => Date.parse(validFrom) <= nowMs && nowMs < Date.parse(expirationTime),
    )
    return isGood ? [] : [`${identity} is not valid now`]
  })
  const count = dump.certificates.length
  return expected(
    SECTION,
    bad.length === 0,
    `certificates of ${node} are valid (${count})`,
    `certificates of ${node}: ${some(bad)}`,
    hint,
  )
}

function captureLine({ pods }: MeshStatus): CheckLine {
  const enrolled = pods.filter((pod) => pod.enrolled)
  const stray = pods.filter((pod) => pod.enrolled !== pod.captured).map(({ namespace, name }) => `${namespace}/${name}`)
  return expected(
    SECTION,
    stray.length === 0,
    `enrolled pods are captured, and no others (${enrolled.length} of ${pods.length})`,
    `pods whose capture is not as their labels say: ${some(stray)}`,
    'See "ambit logs node-agent", and "ambit status" for the reason.',
  )
}

function podLine({ pods }: MeshStatus): CheckLine {
  const waiting = pods
    .filter(({ ready }) => !ready)
    .map(({ namespace, name, reason, phase }) => `${namespace}/${name} (${reason || phase})`)
  return expected(
    SECTION,
    waiting.length === 0,
    `pods are ready (${pods.length})`,
    `pods are not ready: ${some(waiting)}`,
    'See "ambit status", and "ambit logs -n NAMESPACE POD".',
  )
}

function problemLines({ problems }: MeshStatus): readonly CheckLine[] {
  if (problems.length === 0) return [ok(SECTION, 'objects of folders are taken')]
  return problems.map(({ where, line, path, problem }) => {
    const parts = [line === undefined ? where : `${where}:${line}`, path, problem].filter((part) => part !== '')
    return failure(SECTION, parts.join(': '), 'Mend the file; until then its last good state stays.')
  })
}

/**
 * What the control plane cannot use as it is written: its page `/debug/problems`.
 * @param text undefined: it does not answer
 */
export function objectLines(text: string | undefined): readonly CheckLine[] {
  const problems = text === undefined ? undefined : problemsIn(text)
  if (problems === undefined)
    return [failure(SECTION, 'istiod-lite does not say which objects it can use', 'See "ambit logs istiod-lite".')]
  if (problems.length === 0) return [ok(SECTION, 'istiod-lite can use every object as it is written')]
  return problems.map((problem) =>
    warning(SECTION, problem, 'Until it is mended, the object works in part, or not at all.'),
  )
}

function problemsIn(text: string): readonly string[] | undefined {
  let page: unknown
  try {
    page = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(page) || !Array.isArray(page.objects) || !Array.isArray(page.conditions)) return undefined
  const objects = page.objects
    .filter(isRecord)
    .map(({ where, path, problem }) => [where, path, problem].filter((part) => part !== '').join(': '))
  const conditions = page.conditions.filter(isRecord).map(({ kind, key, condition }) => {
    const message = isRecord(condition) ? condition.message : ''
    return `${String(kind)} ${String(key)}: ${String(message)}`
  })
  return [...objects, ...conditions]
}

function some(names: readonly string[]): string {
  const more = names.length - SHOWN
  return [...names.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])].join(', ')
}
