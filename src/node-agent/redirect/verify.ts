import { existsSync, readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { formatCidr, type IpFamily } from '#shared/net'
import { type MarkRule, type Netns, Nftables, type NftTable, type Route, Routes } from '#shared/sys'
import { type CaptureMode, planRedirect, type RedirectPlan } from './rules.ts'

const IPV6_SWITCH = '/proc/sys/net/ipv6/conf/lo/disable_ipv6'

/** What is not as planned: each part that `applyRedirect` mends, and how to say it. */
export interface Drift {
  readonly table: 'as planned' | 'missing' | 'different'
  readonly rules: readonly MarkRule[]
  readonly routes: readonly Route[]
  /** One phrase each, for people; empty = nothing differs. */
  readonly found: readonly string[]
}

/** Reads back what redirects the pod and compares it with the plan. @throws MeshError of `shared/sys` */
export function findDrift(netns: Netns, mode: CaptureMode): Drift {
  return compare(netns, planRedirect(mode, routedFamilies(netns)))
}

export function compare(netns: Netns, plan: RedirectPlan): Drift {
  const there = new Nftables(netns).read(plan.table.family, plan.table.name)
  const table = there === undefined ? 'missing' : isDeepStrictEqual(there, plan.table) ? 'as planned' : 'different'
  const routes = new Routes(netns)
  const missingRules = plan.rules.filter((rule) => !contains(routes.markRules(rule.family), rule))
  const missingRoutes = plan.routes.filter((route) => !contains(routes.routes(route.destination.family), route))
  return {
    table,
    rules: missingRules,
    routes: missingRoutes,
    found: [
      ...(there === undefined ? [`table ${plan.table.name} is missing`] : differentChains(there, plan.table)),
      ...missingRules.map(({ family, table: number }) => `the IPv${family} rule for table ${number} is missing`),
      ...missingRoutes.map((route) => `the route ${formatCidr(route.destination)} in table ${route.table} is missing`),
    ],
  }
}

/** IPv6 can be switched off in a pod, or be missing from the kernel. */
export function routedFamilies(netns: Netns): IpFamily[] {
  const isIpv6There = netns.run(() => existsSync(IPV6_SWITCH) && readFileSync(IPV6_SWITCH, 'utf8').trim() === '0')
  return isIpv6There ? [4, 6] : [4]
}

function differentChains(there: NftTable, planned: NftTable): string[] {
  const names = new Set([...planned.chains, ...there.chains].map(({ name }) => name))
  const chain = (table: NftTable, name: string) => table.chains.find((found) => found.name === name)
  const different = [...names].filter((name) => !isDeepStrictEqual(chain(there, name), chain(planned, name)))
  if (different.length > 0) return different.map((name) => `chain ${name} differs`)
  return isDeepStrictEqual(there, planned) ? [] : ['the order of chains differs']
}

function contains<T>(list: readonly T[], wanted: T): boolean {
  return list.some((found) => isDeepStrictEqual(found, wanted))
}
