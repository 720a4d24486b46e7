import {
  type Answerer,
  CLASS_IN,
  type DnsAnswer,
  type DomainName,
  isWithin,
  nameKey,
  type Question,
  type RecordData,
  type ResourceRecord,
  rcodes,
  recordTypes,
} from '#shared/dns'
import type { ClusterNames } from './cluster-names.ts'

/** How long an answer may be kept. */
const TTL_SECONDS = 5
/** External names that lead to external names. */
const MAX_ALIASES = 8

/**
 * Answers from the names of the cluster. A name outside of it does not exist: nothing outside of the machine can be
 * reached from the mesh, and an answer at once is better than one that never comes.
 *
 * @param random orders equals, so that clients that take the first address spread
 */
export function clusterAnswerer(names: ClusterNames, random: () => number): Answerer {
  return (question) => {
    const answers: ResourceRecord[] = []
    const wantsPorts = question.type === recordTypes.SRV || question.type === recordTypes.ANY
    let name = question.name
    for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
      const found = names.find(name, wantsPorts)
      if (found === undefined) return outcome(rcodes.NXDOMAIN, answers, answers.length > 0)
      if (found.kind === 'nothing') return negative(names, name, rcodes.NXDOMAIN, answers)
      if (found.kind === 'records') {
        const asked = shuffled(
          found.records.filter((record) => isAsked(record, question)),
          random,
        )
        if (asked.length === 0) return negative(names, name, rcodes.NOERROR, answers)
        answers.push(...asked.map((record) => at(name, record)))
        return { ...outcome(rcodes.NOERROR, answers, true), additionals: addressesOfTargets(names, asked) }
      }
      answers.push(at(name, { type: 'CNAME', target: found.target }))
      if (isAsked({ type: 'CNAME', target: found.target }, question)) return outcome(rcodes.NOERROR, answers, true)
      name = found.target
    }
    // Aliases in a circle, or nearly.
    return outcome(rcodes.SERVFAIL, [], false)
  }
}

function isAsked(record: RecordData, { type }: Question): boolean {
  return type === recordTypes.ANY || (record.type !== 'other' && recordTypes[record.type] === type)
}

/** What whoever asked for services asks next. */
function addressesOfTargets(names: ClusterNames, records: readonly RecordData[]): readonly ResourceRecord[] {
  const targets = records.flatMap((record) => (record.type === 'SRV' ? [record.target] : []))
  return [...new Map(targets.map((target) => [nameKey(target), target])).values()].flatMap((target) => {
    const found = names.find(target, false)
    if (found?.kind !== 'records') return []
    return found.records.filter(({ type }) => type === 'A' || type === 'AAAA').map((each) => at(target, each))
  })
}

/** With the SOA record that says how long "there is none" may be kept (RFC 2308 §3). */
function negative(names: ClusterNames, name: DomainName, rcode: number, answers: readonly ResourceRecord[]): DnsAnswer {
  const authorities = isWithin(name, names.domain) ? [at(names.domain, names.authority)] : []
  return { ...outcome(rcode, answers, true), authorities }
}

function outcome(rcode: number, answers: readonly ResourceRecord[], isAuthoritative: boolean): DnsAnswer {
  return { rcode, isAuthoritative, answers, authorities: [], additionals: [] }
}

function at(name: DomainName, record: RecordData): ResourceRecord {
  return { name, class: CLASS_IN, ttlSeconds: TTL_SECONDS, ...record }
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  const mixed = [...items]
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const [a, b] = [mixed[i] as T, mixed[j] as T]
    mixed[i] = b
    mixed[j] = a
  }
  return mixed
}
