import type { IdentityStatus } from '#shared/identity'
import type { LocalConfig, MeshView } from '#shared/mesh-state'
import { serviceKey } from '#shared/model'
import type { Denial } from '../authz/index.ts'
import { dumpEndpoints, dumpPolicy, dumpService, dumpStaticWorkload, dumpWorkload } from './mesh-dumps.ts'
import { type DumpedConnection, type DumpedPod, dumpCertificate, dumpDenial, dumpPod } from './node-dumps.ts'
import { inOrder, type Json, sortedJson } from './sorted-json.ts'

/** Who built this program, in the words that Istio's tools look for. */
export interface VersionFacts {
  readonly version: string
  readonly gitRevision: string
  readonly rustVersion: string
  readonly buildProfile: string
  readonly buildStatus: string
  readonly istioVersion: string
  readonly cryptoProvider: string
}

/** Whatever a dump shows, asked for when the dump is made. */
export interface DumpSources {
  readonly view: MeshView
  /** What the local state file said; empty without one. */
  readonly staticConfig: LocalConfig
  readonly certificates: () => readonly IdentityStatus[]
  readonly pods: () => Iterable<DumpedPod>
  readonly connections: { ofPod(uid: string): readonly { readonly record: DumpedConnection }[] }
  /** The newest denials by policy, newest last. */
  readonly denials: () => readonly Denial[]
  readonly version: VersionFacts
  /** The settings in force; secrets are not among them. */
  readonly config: Json
}

/**
 * The body of `/config_dump`, as `istioctl ztunnel-config` reads it (hbone-and-ztunnel h.4): workloads by uid, services
 * by host name, policies by key, certificates by identity.
 */
export function configDump(sources: DumpSources): string {
  const { view, staticConfig, connections } = sources
  return sortedJson({
    workloads: [...view.workloads()].sort((a, b) => inOrder(a.uid, b.uid)).map(dumpWorkload),
    services: [...view.services()]
      .sort((a, b) => inOrder(a.hostname, b.hostname) || inOrder(a.namespace, b.namespace))
      .map((service) => dumpService(service, view.endpoints(serviceKey(service)))),
    policies: [...view.policies()].sort(([a], [b]) => inOrder(a, b)).map(([, policy]) => dumpPolicy(policy)),
    stagedServices: Object.fromEntries(
      [...view.stagedEndpoints()].map(([key, endpoints]) => [key, dumpEndpoints(endpoints)]),
    ),
    staticConfig: {
      workloads: staticConfig.workloads.map(dumpStaticWorkload),
      services: staticConfig.services.map((service) => dumpService(service, [])),
      policies: staticConfig.policies.map(dumpPolicy),
    },
    certificates: [...sources.certificates()].sort((a, b) => inOrder(a.identity, b.identity)).map(dumpCertificate),
    workloadState: Object.fromEntries(
      [...sources.pods()].map((pod) => [pod.uid, dumpPod(pod, connections.ofPod(pod.uid))]),
    ),
    denials: sources.denials().map(dumpDenial),
    version: { ...sources.version },
    config: sources.config,
  })
}
