import { type ObjectProblem, ObjectTable, readObjects } from '#shared/k8s'
import type {
  Cluster,
  RateLimit,
  RequestPolicy,
  Routes,
  ServiceTelemetry,
  TokenPolicy,
  WorkloadLabels,
} from '#shared/l7'
import { type Collection, Graph } from '../../src/istiod-lite/collections/index.ts'
import { wireMesh } from '../../src/istiod-lite/mesh/index.ts'
import {
  type ForWaypoint,
  type ObjectVerdict,
  type RouteVerdict,
  type WaypointConfiguration,
  wireWaypointConfiguration,
} from '../../src/istiod-lite/routes/index.ts'
import { collectObjects } from '../../src/istiod-lite/sources/index.ts'
import { meshSettings } from './mesh-objects.ts'

type ByName<T> = Readonly<Record<string, T>>

/** Everything that is told, by the names of the resources. */
export interface Told {
  readonly routes: ByName<Routes>
  readonly clusters: ByName<Cluster>
  readonly labels: ByName<WorkloadLabels>
  readonly requestPolicies: ByName<RequestPolicy>
  readonly tokenPolicies: ByName<TokenPolicy>
  readonly rateLimits: ByName<RateLimit>
  readonly telemetry: ByName<ServiceTelemetry>
  readonly ofRoutes: readonly RouteVerdict[]
  readonly ofObjects: readonly ObjectVerdict[]
}

/** The configuration of waypoints, wired over a table of objects that a test changes. */
export class Configured {
  readonly table: ObjectTable = new ObjectTable()
  readonly graph: Graph = new Graph({
    schedule: () => {},
    onFailure: (node, key, error) => {
      throw new Error(`${node} ${key}`, { cause: error })
    },
  })
  readonly #configuration: WaypointConfiguration

  constructor() {
    const source = {
      subscribe: this.table.subscribe.bind(this.table),
      synced: Promise.resolve(),
      problems: [],
      close: async () => {},
    }
    const { collections } = collectObjects(this.graph, source, meshSettings)
    const mesh = wireMesh(this.graph, collections, meshSettings)
    this.#configuration = wireWaypointConfiguration(this.graph, collections, mesh, meshSettings)
  }

  told(): Told {
    this.graph.settle()
    const { routes, clusters, labels, requestPolicies, tokenPolicies, rateLimits, telemetry, verdicts } =
      this.#configuration
    return {
      routes: byName(routes),
      clusters: byName(clusters),
      labels: byName(labels),
      requestPolicies: byName(requestPolicies),
      tokenPolicies: byName(tokenPolicies),
      rateLimits: byName(rateLimits),
      telemetry: byName(telemetry),
      ofRoutes: verdicts.ofRoutes.list(),
      ofObjects: verdicts.ofObjects.list(),
    }
  }
}

export function configure(yaml: string): { readonly problems: readonly ObjectProblem[]; readonly told: Told } {
  const read = readObjects(yaml, 'in.yaml')
  const configured = new Configured()
  configured.table.replaceAll(read.objects)
  return { problems: read.problems, told: configured.told() }
}

function byName<T>(collection: Collection<ForWaypoint<T>>): ByName<T> {
  return Object.fromEntries(collection.list().map(({ name, resource }) => [name, resource]))
}
