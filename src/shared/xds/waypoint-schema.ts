import { loadMessages, type MessageCodec } from './schema.ts'

/** The messages of the waypoint family, each a resource. Their parts are read by `waypoint-shapes.ts`. */
export type WaypointSchema = Readonly<
  Record<
    'Routes' | 'Cluster' | 'WorkloadLabels' | 'RequestPolicy' | 'TokenPolicy' | 'RateLimit' | 'ServiceTelemetry',
    MessageCodec<object>
  >
>

let loaded: WaypointSchema | undefined

/** Reads the files on first use: tunnels never pay for them. */
export function waypointSchema(): WaypointSchema {
  loaded ??= load()
  return loaded
}

function load(): WaypointSchema {
  const { codec } = loadMessages(['waypoint-routes.proto', 'waypoint-cluster.proto', 'waypoint-policies.proto'])
  const message = (name: string): MessageCodec<object> => codec(`ambit.dev.waypoint.${name}`)
  return {
    Routes: message('Routes'),
    Cluster: message('Cluster'),
    WorkloadLabels: message('WorkloadLabels'),
    RequestPolicy: message('RequestPolicy'),
    TokenPolicy: message('TokenPolicy'),
    RateLimit: message('RateLimit'),
    ServiceTelemetry: message('ServiceTelemetry'),
  }
}
