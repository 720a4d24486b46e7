import {
  checkedText,
  isRecord,
  list,
  oneOf,
  optional,
  type Path,
  type Report,
  record,
  type Shape,
  shown,
  text,
  textMap,
} from '#shared/document'
import type { KindBody } from './core-kinds.ts'
import { cidrProblem, conditionKeyProblem, MAX_ACCOUNTS, portProblem, serviceAccountProblem } from './policy-values.ts'
import {
  type AuthorizationPolicy,
  type LabelSelector,
  type MtlsMode,
  OPERATION_FIELDS,
  type PeerAuthentication,
  type PolicyOperation,
  type PolicyRule,
  type PolicySource,
  SOURCE_FIELDS,
  type TargetRef,
} from './types.ts'

export const selector: Shape<LabelSelector | undefined> = optional(record({ matchLabels: textMap }, 'closed'))
const mode = oneOf(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'], 'UNSET')
const mtls: Shape<MtlsMode> = (value, path, report) =>
  value === undefined ? 'UNSET' : record({ mode }, 'closed')(value, path, report).mode

const portLevelMtls: Shape<ReadonlyMap<number, MtlsMode>> = (value, path, report) => {
  const modes = new Map<number, MtlsMode>()
  if (value !== undefined && !isRecord(value)) report(path, `must be a map from port to mode, is ${shown(value)}`)
  for (const [port, item] of Object.entries(isRecord(value) ? value : {})) {
    const problem = portProblem(port)
    if (problem !== undefined) report([...path, port], `${problem}: ${shown(port)}`)
    else modes.set(Number(port), mtls(item ?? undefined, [...path, port], report))
  }
  return modes
}

const peerAuthentication = record({ selector, mtls, portLevelMtls }, 'closed')

export const peerAuthenticationBody: KindBody<Pick<PeerAuthentication, 'spec'>> = (document, report) => {
  const spec = peerAuthentication(document.spec ?? {}, ['spec'], report)
  const selects = Object.keys(spec.selector?.matchLabels ?? {}).length > 0
  if (spec.portLevelMtls.size > 0 && !selects) {
    report(['spec', 'portLevelMtls'], 'needs a selector with matchLabels: port modes belong to workloads')
  }
  return { spec }
}

/** A list that says something: `from: []` would match nothing or everything, depending on who reads it. */
function written<T>(shape: Shape<T>): Shape<readonly T[]> {
  return (value, path, report) => {
    if (Array.isArray(value) && value.length === 0) report(path, 'must not be empty; leave it out to match everything')
    return list(shape)(value, path, report)
  }
}

/** A record of value lists of which at least one is given. */
function values<F extends string>(
  names: readonly F[],
  checks: Partial<Record<F, (value: string) => string | undefined>>,
): Shape<Readonly<Record<F, readonly string[]>>> {
  const fields = Object.fromEntries(
    names.map((name) => [name, written(checkedText(checks[name] ?? emptyProblem))]),
  ) as Record<F, Shape<readonly string[]>>
  const read = record(fields, 'closed')
  return (value, path, report) => {
    const found = read(value, path, report)
    if (isRecord(value) && names.every((name) => found[name].length === 0)) report(path, 'names nothing to match')
    if (value === undefined) report(path, 'is missing')
    return found
  }
}

function emptyProblem(value: string): string | undefined {
  return value === '' ? 'must not be empty' : undefined
}

const sourceFields: Shape<PolicySource> = values(SOURCE_FIELDS, {
  ipBlocks: cidrProblem,
  notIpBlocks: cidrProblem,
  remoteIpBlocks: cidrProblem,
  notRemoteIpBlocks: cidrProblem,
  serviceAccounts: serviceAccountProblem,
  notServiceAccounts: serviceAccountProblem,
})

const source: Shape<PolicySource> = (value, path, report) => {
  const found = sourceFields(value, path, report)
  for (const field of ['serviceAccounts', 'notServiceAccounts'] as const) {
    if (found[field].length > MAX_ACCOUNTS) report([...path, field], `holds more than ${MAX_ACCOUNTS} values`)
    // Both say who the account is, in two ways that could contradict each other.
    if (found[field].length > 0 && (found.principals.length > 0 || found.namespaces.length > 0))
      report([...path, field], 'cannot stand beside principals or namespaces')
  }
  return found
}

const operation: Shape<PolicyOperation> = values(OPERATION_FIELDS, { ports: portProblem, notPorts: portProblem })

const condition = record(
  { key: checkedText(conditionKeyProblem), values: list(text()), notValues: list(text()) },
  'closed',
)

const when: Shape<PolicyRule['when'][number]> = (value, path, report) => {
  const found = condition(value, path, report)
  if (found.values.length === 0 && found.notValues.length === 0) report(path, 'has neither values nor notValues')
  checkConditionValues(found, path, report)
  return found
}

function checkConditionValues(found: PolicyRule['when'][number], path: Path, report: Report): void {
  const problemOf = found.key.endsWith('.ip')
    ? cidrProblem
    : found.key === 'destination.port'
      ? portProblem
      : emptyProblem
  for (const field of ['values', 'notValues'] as const) {
    found[field].forEach((value, i) => {
      const problem = problemOf(value)
      if (problem !== undefined) report([...path, field, i], `${problem}: ${shown(value)}`)
    })
  }
}

const policyRule = record(
  {
    from: written(record({ source }, 'closed')),
    to: written(record({ operation }, 'closed')),
    when: written(when),
  },
  'closed',
)

const rule: Shape<PolicyRule> = (value, path, report) => {
  const { from, to, when } = policyRule(value ?? {}, path, report)
  return { from: from.map((item) => item.source), to: to.map((item) => item.operation), when }
}

export const targetRef: Shape<TargetRef> = record(
  { group: text(''), kind: text(), name: text(), namespace: text('') },
  'closed',
)

const authorizationPolicy = record(
  {
    selector,
    targetRef: optional(targetRef),
    targetRefs: list(targetRef),
    action: oneOf(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'], 'ALLOW'),
    provider: optional(record({ name: text() }, 'closed')),
    rules: list(rule),
  },
  'closed',
)

export const authorizationPolicyBody: KindBody<Pick<AuthorizationPolicy, 'spec'>> = (document, report) => {
  const read = authorizationPolicy(document.spec ?? {}, ['spec'], report)
  const targetRefs = read.targetRef === undefined ? read.targetRefs : [read.targetRef, ...read.targetRefs]
  if (read.targetRef !== undefined && read.targetRefs.length > 0)
    report(['spec', 'targetRefs'], 'cannot stand beside targetRef')
  if (read.selector !== undefined && targetRefs.length > 0)
    report(['spec', 'selector'], 'cannot stand beside targetRefs')
  if (read.action === 'CUSTOM' && read.provider === undefined) report(['spec', 'provider'], 'is missing for CUSTOM')
  if (read.action !== 'CUSTOM' && read.provider !== undefined) report(['spec', 'provider'], 'is only for CUSTOM')
  const provider = read.provider?.name ?? ''
  return { spec: { selector: read.selector, targetRefs, action: read.action, provider, rules: read.rules } }
}
